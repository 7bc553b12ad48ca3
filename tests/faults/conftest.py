"""A browser, for what a person sees while things die."""

from __future__ import annotations

from tests.browser.conftest import browser

__all__ = ["browser"]

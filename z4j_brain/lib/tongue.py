"""Words of the panel in its reader's language, where a sentence of ours has them in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import get_language, override

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


def inline(label: StrOrPromise) -> str:
    """A label within a sentence: small in English; other languages write their nouns as they are."""
    return str(label).lower() if (get_language() or "en").startswith("en") else str(label)


def english(label: StrOrPromise) -> str:
    """A label for what is stored, whoever asked for it."""
    with override("en"):
        return str(label)

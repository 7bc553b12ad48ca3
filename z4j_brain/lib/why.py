"""Why somebody does something, as the forms of the panel ask for it."""

from __future__ import annotations

from django.http import QueryDict

#: As much as is kept of it.
MOST = 500


def of(given: QueryDict) -> str:
    """What was typed, empty where nothing was."""
    return (given.get("reason") or "").strip()[:MOST]

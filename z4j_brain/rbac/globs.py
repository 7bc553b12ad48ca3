"""Patterns of queue and task names in grants: anchored, case-sensitive, and the same in Python and in both stores.

`**` stands for anything, `*` for anything, too, but in a task's name for anything without a dot; every other character
stands for itself. There is nothing else to know, and nothing that could take long.
"""

from __future__ import annotations

import re
from functools import lru_cache

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

_STARS = re.compile(r"(\*+)")
_PLAIN = re.compile(r"[^\x00-\x1f\x7f]+")
_SPECIAL = re.compile(r"([!-/:-@\[-^`{-~])")
#: Parts with a star that one pattern may have: enough for any name, and few enough for any engine of patterns.
MOST_STARS = 8


def check(glob: str) -> None:
    """Raises ValidationError for what is no pattern."""
    if glob and not _PLAIN.fullmatch(glob):
        raise ValidationError(gettext("A pattern has no control characters."))
    if "***" in glob:
        raise ValidationError(gettext("One star or two, not more in a row."))
    if len(_STARS.findall(glob)) > MOST_STARS:
        raise ValidationError(gettext("At most %(n)s stars.") % {"n": MOST_STARS})


@lru_cache(maxsize=4096)
def pattern(glob: str, *, dotted: bool) -> str:
    """As a regular expression that Python, SQLite (by Python) and PostgreSQL read alike. `dotted`: of task names."""
    one = "[^.]*" if dotted else ".*"
    parts = (
        (".*" if part == "**" else one) if part.startswith("*") else _SPECIAL.sub(r"\\\1", part)
        for part in _STARS.split(glob)
    )
    return rf"(?s)\A{''.join(parts)}\Z"


@lru_cache(maxsize=4096)
def _compiled(glob: str, dotted: bool) -> re.Pattern[str]:  # noqa: FBT001 (a key of the cache)
    return re.compile(pattern(glob, dotted=dotted))


def fits(glob: str, text: str | None, *, dotted: bool) -> bool:
    """Does the pattern stand for this name? An empty one asks nothing; a name that there is not, only that fits."""
    if not glob:
        return True
    return text is not None and _compiled(glob, dotted).match(text) is not None

"""The words of a task's texts, as the index of both stores holds them.

A word is letters and digits, without case and accents. In the index it stands behind its environment and its class, so
that nobody finds what is not theirs to see: types of errors are for everybody, messages for `view_payload`, arguments
and results for that too, where the environment has them searched.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

TYPE, MESSAGE, ARGUMENT = "t", "m", "a"
#: Of one task, and of one search; and how much of a word counts.
MOST, ASKED, LENGTH = 400, 8, 40

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    if not text.isascii():
        parts = unicodedata.normalize("NFKD", text)
        text = "".join(part for part in parts if not unicodedata.combining(part)).casefold()
    return [word[:LENGTH] for word in _WORD.findall(text.lower())]


def indexed(environment_id: int, texts: Iterable[tuple[str, str]]) -> list[str]:
    """What the index holds of a task, each once, from texts with their classes."""
    found = (f"{environment_id}{kind}:{word}" for kind, text in texts if text for word in words(text))
    return list(dict.fromkeys(found))[:MOST]


def asked(environment_id: int, text: str, classes: Sequence[str]) -> list[list[str]]:
    """For each word of a search, what may stand for it in the index."""
    return [[f"{environment_id}{kind}:{word}" for kind in classes] for word in words(text)[:ASKED]]


def as_fts5(groups: Sequence[Sequence[str]]) -> str:
    """All words, the last one as a beginning, as FTS5 asks."""
    return " AND ".join(
        "(" + " OR ".join(f'"{word}"' + " *" * (group is groups[-1]) for word in group) + ")" for group in groups
    )


def as_tsquery(groups: Sequence[Sequence[str]]) -> str:
    """The same as PostgreSQL asks."""
    return " & ".join(
        "(" + " | ".join(f"'{word}'" + ":*" * (group is groups[-1]) for word in group) + ")" for group in groups
    )

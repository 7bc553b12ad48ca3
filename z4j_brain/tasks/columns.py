"""The columns of the list of tasks that one may leave out or add. Name, state and age always stand in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    title: str
    hint: str
    usual: bool = True


ALL = (
    Column("queue", "Queue", "where it was put"),
    Column("worker", "Worker", "who took it last"),
    Column("waited", "Waited", "from the queue to the start"),
    Column("ran", "Ran", "how long the last run took"),
    Column("ended", "Ended", "when it came to its end", usual=False),
    Column("schedule", "Schedule", "what it came from", usual=False),
    Column("priority", "Priority", "as the engine was told", usual=False),
)
USUAL = tuple(column.name for column in ALL if column.usual)


def known(names: Iterable[str]) -> tuple[str, ...]:
    """Those that there are, in their order."""
    wanted = set(names)
    return tuple(column.name for column in ALL if column.name in wanted)

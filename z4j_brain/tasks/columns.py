"""The columns of the list of tasks that one may leave out or add. Name, state and age always stand in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    title: StrOrPromise
    hint: StrOrPromise
    usual: bool = True


ALL = (
    Column("queue", gettext_lazy("Queue"), gettext_lazy("where it was put")),
    Column("worker", gettext_lazy("Worker"), gettext_lazy("who took it last")),
    Column("waited", gettext_lazy("Waited"), gettext_lazy("from the queue to the start")),
    Column("ran", gettext_lazy("Ran"), gettext_lazy("how long the last run took")),
    Column("ended", gettext_lazy("Ended"), gettext_lazy("when it came to its end"), usual=False),
    Column("schedule", gettext_lazy("Schedule"), gettext_lazy("what it came from"), usual=False),
    Column("priority", gettext_lazy("Priority"), gettext_lazy("as the engine was told"), usual=False),
)
USUAL = tuple(column.name for column in ALL if column.usual)


def known(names: Iterable[str]) -> tuple[str, ...]:
    """Those that there are, in their order."""
    wanted = set(names)
    return tuple(column.name for column in ALL if column.name in wanted)

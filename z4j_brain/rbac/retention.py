"""How long an environment keeps what it has, what is past that, and how far housekeeping has come with it.

A day counts as a whole, by UTC: with 14 days, today and the 14 days before it are kept. Which kinds of rows there are,
the apps above know: housekeeping registers them here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar, Protocol

from z4j_brain.lib.capped import Count
from z4j_brain.rbac.models import Environment, Sweep

#: What of an environment may be set.
DAYS = ("tasks_days", "events_days", "rollups_days", "operations_days")
SETTINGS = (*DAYS, "search_arguments", "reason_required", "trace_link")
#: How long a process believes what it has read of an environment's settings, and when a change takes effect.
BELIEVED = 5.0
SETTLE = timedelta(seconds=2 * BELIEVED)


class Piece(Protocol):
    """Some rows in the order in which they came."""

    @property
    def mark(self) -> str:
        """The name of their end."""

    def count(self) -> int:
        """How many of them are due; all that are the environment's when nothing is asked to be due."""

    def oldest(self) -> datetime | None:
        """When the first of the environment's rows here is from."""

    def remove(self) -> int:
        """Delete those that are due, in the caller's transaction; how many they were."""

    def is_clean(self) -> bool:
        """Is nothing of the environment left here?"""


class Kind(Protocol):
    """One kind of rows that time runs out on. `days` names the setting that says when."""

    name: ClassVar[str]
    title: ClassVar[str]
    days: ClassVar[str]

    def pieces(self, environment_id: int, before: datetime | None, after: str, size: int) -> Iterator[Piece]:
        """The rows after a mark, as far as some of them may be older than `before`; about `size` a piece."""


#: By name, in the order in which they are swept.
KINDS: dict[str, Kind] = {}

#: Rows that are counted in one step.
_STEP = 20_000


@dataclass(frozen=True, slots=True)
class Stock:
    """What is stored of one kind: how much, since when, what of it is due, and how far its sweep has come."""

    kind: Kind
    days: int
    stored: Count
    oldest: datetime | None
    due: Count
    sweep: Sweep | None


def register(kind: Kind) -> None:
    KINDS[kind.name] = kind


def horizon(days: int, today: date | None = None) -> date:
    """The first day that is kept."""
    return (today or datetime.now(UTC).date()) - timedelta(days=days)


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def due(environment: Environment, settings: Mapping[str, int] | None = None, seconds: float = 1.0) -> dict[str, Count]:
    """By kind, how much would go with these settings, or with those in force. Kinds that keep all are left out."""
    chosen = {name: getattr(environment, name) for name in DAYS} | dict(settings or {})
    counts = {
        kind.name: _count(kind, environment.pk, midnight(horizon(chosen[kind.days])), seconds)[0]
        for kind in KINDS.values()
    }
    return {name: count for name, count in counts.items() if count.number}


def stock(environment: Environment, seconds: float = 0.05) -> list[Stock]:
    """What is stored, kind by kind. Whoever counts stops after some seconds for each, and says so by a plus."""
    sweeps = {sweep.kind: sweep for sweep in Sweep.objects.filter(environment=environment)}
    found = []
    for kind in KINDS.values():
        sweep, days = sweeps.get(kind.name), getattr(environment, kind.days)
        low = sweep.low if sweep else ""
        stored, oldest = _count(kind, environment.pk, None, seconds, low)
        going, _ = _count(kind, environment.pk, midnight(horizon(days)), seconds, low)
        found.append(Stock(kind, days, stored, oldest, going, sweep))
    return found


def _count(
    kind: Kind, environment_id: int, before: datetime | None, seconds: float, after: str = ""
) -> tuple[Count, datetime | None]:
    end, number, oldest = time.monotonic() + seconds, 0, None
    for piece in kind.pieces(environment_id, before, after, _STEP):
        here = piece.count()
        oldest = piece.oldest() if here and not number else oldest
        number += here
        if time.monotonic() >= end:
            return Count(number, capped=True), oldest
    return Count(number, capped=False), oldest

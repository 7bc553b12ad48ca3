"""Keeping the rollups true: what tasks counted for before is taken out, what they count for now is put in.

Runs inside the transaction that changes the tasks, and last in it: the rollups of now are rows that everybody writes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from django.utils import timezone

from z4j_brain.lib import bulk
from z4j_brain.stats import histogram
from z4j_brain.stats.models import ByName, ByQueue, Deploy, Rollup
from z4j_brain.stats.states import ENDS, SUMS, Grain

_MILLION = 1_000_000
_FINEST, _HOUR = int(Grain.FIVE_MINUTES), int(Grain.HOUR)
_ARRIVED = SUMS.index("arrived")
_RETRIES = SUMS.index("retries")
_RUNTIME = SUMS.index("runtime_us")
_END = {state: SUMS.index(state) for state in ENDS}
_HISTOGRAMS = ("runtimes", "waits")
#: Versions of code that one environment remembers; the oldest are forgotten.
MOST_DEPLOYS = 500


class Arrival(NamedTuple):
    """A task was first heard of, microseconds since 1970."""

    engine: str
    queue: str
    name: str
    at: int


class End(NamedTuple):
    """A task ended. Times and durations are microseconds; what is None is not known."""

    engine: str
    queue: str
    name: str
    at: int
    state: str
    retries: int
    runtime: int | None
    wait: int | None


Fact = Arrival | End
#: Grain, start, engine, and queue or name.
Key = tuple[int, int, str, str]


class Change:
    """What is added to one rollup."""

    __slots__ = ("runtimes", "sums", "waits")

    def __init__(self) -> None:
        self.sums = [0] * len(SUMS)
        self.runtimes: dict[int, int] = defaultdict(int)
        self.waits: dict[int, int] = defaultdict(int)

    def take(self, fact: Fact, times: int) -> None:
        if isinstance(fact, Arrival):
            self.sums[_ARRIVED] += times
            return
        self.sums[_END[fact.state]] += times
        self.sums[_RETRIES] += fact.retries * times
        if fact.runtime is not None:
            self.sums[_RUNTIME] += fact.runtime * times
            self.runtimes[histogram.slot(fact.runtime)] += times
        if fact.wait is not None:
            self.waits[histogram.slot(fact.wait)] += times

    def add(self, other: Change) -> None:
        self.sums = [mine + its for mine, its in zip(self.sums, other.sums, strict=True)]
        for mine, its in ((self.runtimes, other.runtimes), (self.waits, other.waits)):
            for number, count in its.items():
                mine[number] += count

    def __bool__(self) -> bool:
        return any(self.sums) or any(self.runtimes.values()) or any(self.waits.values())


def apply(environment_id: int, before: Iterable[Fact], after: Iterable[Fact]) -> None:
    """Take `before` out of the rollups and put `after` in."""
    of_queues: dict[Key, Change] = defaultdict(Change)
    of_names: dict[Key, Change] = defaultdict(Change)
    for facts, times in ((before, -1), (after, 1)):
        for fact in facts:
            at = fact.at // _MILLION
            of_queues[_FINEST, at - at % _FINEST, fact.engine, fact.queue].take(fact, times)
            of_names[_HOUR, at - at % _HOUR, fact.engine, fact.name].take(fact, times)
    _coarsen(of_queues, Grain.FIVE_MINUTES, Grain.HOUR, Grain.DAY)
    _coarsen(of_names, Grain.HOUR, Grain.DAY)
    _write(ByQueue, "queue", environment_id, of_queues)
    _write(ByName, "name", environment_id, of_names)


def _coarsen(changes: dict[Key, Change], *grains: Grain) -> None:
    """The same changes, which are of the first grain, at the others: each out of the one before it."""
    for finer, coarser in pairwise(grains):
        for (grain, start, engine, label), change in list(changes.items()):
            if grain == finer:
                changes[coarser.value, coarser.floor(start), engine, label].add(change)


def _write(model: type[Rollup], label: str, environment_id: int, changes: Mapping[Key, Change]) -> None:
    """Add the changes to the rollups, which are locked until the transaction ends; those not there yet are made."""
    keys = ("grain", "start", "engine", label)
    columns = (*SUMS, *_HISTOGRAMS)
    left = {key: change for key, change in sorted(changes.items()) if change}
    while left:
        known = bulk.find(model, ("environment", environment_id), keys, list(left), ("id", *columns))
        if known:
            bulk.update(model, ("id", *columns), [_added(row, left.pop(key)) for key, row in known.items()])
        if left:
            ids = bulk.reserve(model, len(left))
            rows = [
                (pk, environment_id, *key, *_fresh(change)) for pk, (key, change) in zip(ids, left.items(), strict=True)
            ]
            names = ("id", "environment", *keys, *columns)
            made = bulk.insert(model, names, rows, unique=("environment", *keys))
            # What another writer has made since we looked is found in the next round.
            left = {key: left[key] for pk, key in zip(ids, list(left), strict=True) if pk not in made}


def _added(row: tuple[Any, ...], change: Change) -> tuple[Any, ...]:
    pk, *sums, runtimes, waits = row
    total = [old + more for old, more in zip(sums, change.sums, strict=True)]
    return (pk, *total, _merged(runtimes, change.runtimes), _merged(waits, change.waits))


def _merged(text: str, more: dict[int, int]) -> str:
    if not more:
        return text
    slots = histogram.load(text)
    for number, count in more.items():
        slots[number] += count
    return histogram.dump(slots)


def _fresh(change: Change) -> tuple[Any, ...]:
    return (*change.sums, histogram.dump(change.runtimes), histogram.dump(change.waits))


def deployed(environment_id: int, engine: str, code: str, at: datetime | None) -> None:
    """A worker of this version of the users' code has started. Only the first of them is told of."""
    here = Deploy.objects.filter(environment=environment_id)
    if here.filter(engine=engine, code=code).exists():
        return
    now = timezone.now()
    Deploy.objects.bulk_create(
        [Deploy(environment_id=environment_id, engine=engine, code=code, at=min(at or now, now))],
        ignore_conflicts=True,
    )
    if old := list(here.order_by("-at").values_list("pk", flat=True)[MOST_DEPLOYS : 2 * MOST_DEPLOYS]):
        here.filter(pk__in=old).delete()

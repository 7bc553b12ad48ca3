"""What tasks come to in some stretch of time: how many, how they ended, how long they waited and ran."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from z4j_brain.stats import histogram
from z4j_brain.stats.states import ENDS, FAILURES, SUMS

_ZEROES = (0,) * len(SUMS)


class Percentiles(NamedTuple):
    """Milliseconds, at most 10 % off; None when there was nothing to measure."""

    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True)
class Totals:
    """The sums of `SUMS`, in their order; all histograms joined by commas, or the `parts` that hold them.

    Histograms are read when somebody asks for a percentile.

    A task counts as arrived where it was first heard of, and everything else of it where it ended.
    """

    sums: tuple[int, ...] = _ZEROES
    runtimes: str = ""
    waits: str = ""
    parts: tuple[Totals, ...] = ()

    @classmethod
    def of(cls, values: Sequence[Any]) -> Totals:
        """From a row of the store: the sums, which are null of nothing, and the histograms that were asked for."""
        sums = tuple(int(value or 0) for value in values[: len(SUMS)])
        runtimes, waits = (*values[len(SUMS) :], None, None)[:2]
        return cls(sums, runtimes or "", waits or "")

    @classmethod
    def together(cls, parts: Iterable[Totals]) -> Totals:
        some = tuple(part for part in parts if part)
        sums = map(sum, zip(*(part.sums for part in some), strict=True)) if some else _ZEROES
        return cls(tuple(sums), parts=some)

    @property
    def arrived(self) -> int:
        return self._sum("arrived")

    @property
    def succeeded(self) -> int:
        return self._sum("succeeded")

    @property
    def retries(self) -> int:
        """Attempts before the last, of the tasks that ended."""
        return self._sum("retries")

    @cached_property
    def ends(self) -> dict[str, int]:
        """How many tasks ended in each final state."""
        return {state: self._sum(state) for state in ENDS}

    @cached_property
    def ended(self) -> int:
        return sum(self.ends.values())

    @cached_property
    def failed(self) -> int:
        """Failed, given up by the engine, or lost with their worker."""
        return sum(self._sum(state) for state in FAILURES)

    @property
    def failures(self) -> list[tuple[str, str, int]]:
        """The failed by state, with the word for it."""
        return [(state, str(word), self._sum(state)) for state, word in FAILURES.items() if self._sum(state)]

    @property
    def other(self) -> int:
        """Ended, but neither well nor in failure: cancelled, expired, rejected, skipped."""
        return self.ended - self.succeeded - self.failed

    @property
    def failure_rate(self) -> float | None:
        """The failed among those that ended, 0 to 1."""
        return self.failed / self.ended if self.ended else None

    @property
    def run_ms(self) -> float:
        """How long the last runs took together."""
        return self._sum("runtime_us") / 1000

    @property
    def mean_ms(self) -> float | None:
        """Exact, unlike the percentiles."""
        runs = sum(self._runtimes.values())
        return self.run_ms / runs if runs else None

    @cached_property
    def runtime_ms(self) -> Percentiles:
        return _percentiles(self._runtimes)

    @cached_property
    def wait_ms(self) -> Percentiles:
        """From entering the queue, or the due time, to the start of the last run."""
        return _percentiles(self._waits)

    def around(self, milliseconds: float) -> tuple[float, float, int]:
        """The shares of all runs that were faster and that were slower than this, 0 to 1, and how many there were. Runs
        that took much the same are neither.
        """
        own, whole = histogram.slot(milliseconds * 1000), sum(self._runtimes.values())
        faster = sum(count for slot, count in self._runtimes.items() if slot < own)
        slower = sum(count for slot, count in self._runtimes.items() if slot > own)
        return faster / (whole or 1), slower / (whole or 1), whole

    def __bool__(self) -> bool:
        return any(self.sums)

    @cached_property
    def _runtimes(self) -> histogram.Slots:
        return _added(part._runtimes for part in self.parts) if self.parts else histogram.merged(self.runtimes)

    @cached_property
    def _waits(self) -> histogram.Slots:
        return _added(part._waits for part in self.parts) if self.parts else histogram.merged(self.waits)

    def _sum(self, name: str) -> int:
        return self.sums[_AT[name]]


_AT = {name: at for at, name in enumerate(SUMS)}


def _added(several: Iterable[histogram.Slots]) -> histogram.Slots:
    total = histogram.Slots()
    for slots in several:
        for number, count in slots.items():
            total[number] += count
    return total


def _percentiles(slots: histogram.Slots) -> Percentiles:
    found = histogram.percentiles(slots, 0.5, 0.95, 0.99)
    return Percentiles(*(None if micros is None else micros / 1000 for micros in found))

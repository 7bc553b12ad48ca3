"""What tasks come to in some stretch of time: how many, how they ended, how long they waited and ran."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from z4j_brain.stats import histogram
from z4j_brain.stats.states import ENDS, FAILURES, SUMS

#: The columns of a rollup that `Totals` adds up, in this order.
COLUMNS = (*SUMS, "runtimes", "waits")


class Percentiles(NamedTuple):
    """Milliseconds, at most 10 % off; None when there was nothing to measure."""

    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True)
class Totals:
    """`sums`: by the names of `SUMS`. A task counts as arrived where it was first heard of, else where it ended."""

    sums: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(SUMS, 0))
    runtimes: histogram.Slots = field(default_factory=histogram.Slots)
    waits: histogram.Slots = field(default_factory=histogram.Slots)

    @classmethod
    def of(cls, rows: Iterable[tuple[Any, ...]]) -> Totals:
        """The sum of rollups, each the values of `COLUMNS`."""
        *columns, runtimes, waits = tuple(zip(*rows, strict=True)) or ((0,),) * len(SUMS) + ((), ())
        sums = dict(zip(SUMS, map(sum, columns), strict=True))
        return cls(sums, histogram.merged(runtimes), histogram.merged(waits))

    @property
    def arrived(self) -> int:
        return self.sums["arrived"]

    @property
    def retries(self) -> int:
        """Attempts before the last, of the tasks that ended."""
        return self.sums["retries"]

    @cached_property
    def ends(self) -> dict[str, int]:
        """How many tasks ended in each final state."""
        return {state: self.sums[state] for state in ENDS}

    @cached_property
    def ended(self) -> int:
        return sum(self.ends.values())

    @cached_property
    def failed(self) -> int:
        """Failed, given up by the engine, or lost with their worker."""
        return sum(self.sums[state] for state in FAILURES)

    @property
    def failure_rate(self) -> float | None:
        """The failed among those that ended, 0 to 1."""
        return self.failed / self.ended if self.ended else None

    @property
    def run_ms(self) -> float:
        """How long the last runs took together."""
        return self.sums["runtime_us"] / 1000

    @property
    def mean_ms(self) -> float | None:
        """Exact, unlike the percentiles."""
        runs = sum(self.runtimes.values())
        return self.run_ms / runs if runs else None

    @cached_property
    def runtime_ms(self) -> Percentiles:
        return _percentiles(self.runtimes)

    @cached_property
    def wait_ms(self) -> Percentiles:
        """From entering the queue, or the due time, to the start of the last run."""
        return _percentiles(self.waits)


def _percentiles(slots: histogram.Slots) -> Percentiles:
    found = (histogram.percentile(slots, share) for share in (0.5, 0.95, 0.99))
    return Percentiles(*(None if micros is None else micros / 1000 for micros in found))

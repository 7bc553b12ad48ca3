"""What a task counts for in the statistics: a function of its row, so that they agree with the rows in any order."""

from __future__ import annotations

from z4j_core import fold as folding
from z4j_core import wire

from z4j_brain.stats.ingest import Fact


def fact(engine: str, row: folding.Row) -> Fact:
    """The row's share of the rollups: where it arrived and, when it is over, how it ended and what it took."""
    ended = row["finished_at"] if row["state"] in wire.FINAL else None
    if ended is None:
        return Fact(engine, row["queue"], row["name"], row["first_at"])
    runtime = row["runtime_ms"]
    return Fact(
        engine=engine,
        queue=row["queue"],
        name=row["name"],
        arrived=row["first_at"],
        ended=ended,
        state=row["state"],
        retries=row["attempt"],
        runtime=None if runtime is None else round(runtime * 1000),
        wait=_wait(row),
    )


def _wait(row: folding.Row) -> int | None:
    """From entering the queue, or its due time, to the start of the last run, microseconds."""
    since, started = max(row["enqueued_at"] or 0, row["eta"] or 0), row["started_at"]
    return max(started - since, 0) if since and started is not None else None

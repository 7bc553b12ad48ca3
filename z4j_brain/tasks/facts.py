"""What a task counts for in the statistics: a function of its row, so that they agree with the rows in any order."""

from __future__ import annotations

from collections.abc import Iterator

from z4j_core import fold as folding
from z4j_core import wire

from z4j_brain.stats.ingest import Arrival, End, Fact


def facts(engine: str, row: folding.Row) -> Iterator[Fact]:
    """Where the task arrived and, when it is over, how it ended and what it took."""
    queue, name = row["queue"], row["name"]
    yield Arrival(engine, queue, name, row["first_at"])
    if row["state"] in wire.FINAL and row["finished_at"] is not None:
        runtime = row["runtime_ms"]
        yield End(
            engine=engine,
            queue=queue,
            name=name,
            at=row["finished_at"],
            state=row["state"],
            retries=row["attempt"],
            runtime=None if runtime is None else round(runtime * 1000),
            wait=_wait(row),
        )


def changed(engine: str, before: folding.Row, after: folding.Row) -> tuple[list[Fact], list[Fact]]:
    """The facts that are no longer so, and those that are new."""
    old, new = list(facts(engine, before)), list(facts(engine, after))
    return [fact for fact in old if fact not in new], [fact for fact in new if fact not in old]


def _wait(row: folding.Row) -> int | None:
    """From entering the queue, or its due time, to the start of the last run, microseconds."""
    since, started = max(row["enqueued_at"] or 0, row["eta"] or 0), row["started_at"]
    return max(started - since, 0) if since and started is not None else None

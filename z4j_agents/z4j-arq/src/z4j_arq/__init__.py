"""z4j's adapter for arq: one line where a worker's settings are, one where a pool is made.

    WorkerSettings = z4j_arq.instrument(WorkerSettings)     # or @z4j_arq.instrument above the class
    pool = z4j_arq.observe(await create_pool(...))

Then `arq app.WorkerSettings` as ever. Without Z4J_DSN nothing happens.
"""

from __future__ import annotations

from arq.connections import ArqRedis
from z4j_core.safety import guard

from z4j_arq.engine import ArqEngine, present
from z4j_arq.settings import instrument

__all__ = ["ArqEngine", "instrument", "observe"]


def observe(pool: ArqRedis) -> ArqRedis:
    """Report the jobs that are enqueued through this pool, which is returned as it came. It opens no connection."""
    with guard("arq.observe"):
        present().observe(pool)
    return pool

"""z4j's adapter for RQ.

A worker needs no code, only this class in place of RQ's own:

    RQ_WORKER_CLASS=z4j_rq.Worker rq worker        (and the same for rq worker-pool)

A process that only enqueues says it once: `import z4j_rq; z4j_rq.install()`. A Django project lists `z4j_django` in
INSTALLED_APPS instead. Workers of another class than RQ's own mix `z4j_rq.Watched` in. Without Z4J_DSN nothing happens.
"""

from __future__ import annotations

from z4j_core.engine import attach

from z4j_rq.engine import RQEngine
from z4j_rq.worker import SimpleWorker, Watched, Worker

__all__ = ["RQEngine", "SimpleWorker", "Watched", "Worker", "hello", "install"]


def install() -> bool:
    """Report the jobs this process enqueues or runs. False when no brain is configured."""
    return attach(RQEngine.installed or RQEngine())


def hello() -> str:
    """The job of ours that goes the way of every job."""
    return "hello"

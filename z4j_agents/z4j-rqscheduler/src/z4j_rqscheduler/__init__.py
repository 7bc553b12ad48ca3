"""z4j's adapters for the three schedulers that RQ has.

    rq-scheduler      python -m z4j_rqscheduler --url ...       in place of `rqscheduler`
    rq cron           import z4j_rqscheduler; z4j_rqscheduler.install()       in its configuration file
    scheduled jobs    nothing: a worker that is `z4j_rq.Worker` brings them

Whoever starts a scheduler in a program of their own calls `install()` before. Without Z4J_DSN nothing happens.
"""

from __future__ import annotations

from z4j_core.scheduler import attach

from z4j_rqscheduler.cron import RQCron

__all__ = ["RQCron", "install"]


def install() -> bool:
    """Report the schedulers of this process, those that are imported later as well. False: no brain is configured."""
    return attach(RQCron.installed or RQCron())

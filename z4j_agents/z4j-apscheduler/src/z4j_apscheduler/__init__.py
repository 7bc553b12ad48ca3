"""z4j's adapter for APScheduler 3: one line where the scheduler is made.

    scheduler = BackgroundScheduler()
    z4j_apscheduler.attach(scheduler)

Without Z4J_DSN nothing happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import z4j_core.scheduler
from apscheduler.schedulers.base import BaseScheduler

from z4j_apscheduler.scheduler import APScheduler

__all__ = ["APScheduler", "attach"]


def attach(scheduler: BaseScheduler, functions: Iterable[Callable[..., Any]] = ()) -> bool:
    """Report the jobs of this scheduler and each of their runs. False when no brain is configured.

    People who may create schedules choose among the functions that its jobs have, and `functions`: never what merely
    can be imported.
    """
    return z4j_core.scheduler.attach(APScheduler(scheduler, functions))

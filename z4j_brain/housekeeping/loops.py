"""The loops that keep the house: what time has run out on, and what nobody will ask for again.

Everything here claims its work by conditional updates, so that any number of processes may run it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from django.db import connection

from z4j_brain.agents import ingest as agents
from z4j_brain.fleet import ingest as fleet
from z4j_brain.lib import drain
from z4j_brain.operations import outbox

logger = logging.getLogger(__name__)

#: Each duty and the seconds between two runs of it.
DUTIES: tuple[tuple[Callable[[], None], float], ...] = (
    (outbox.expire, 1.0),
    (outbox.prune, 60.0),
    (agents.prune, 60.0),
    (fleet.prune, 60.0),
)
TICK = 0.5


def run_once() -> None:
    """Every duty, now."""
    for duty, _ in DUTIES:
        duty()


def start() -> threading.Thread:
    """Run the duties in a thread of this process until it drains."""
    thread = threading.Thread(target=_run, name="housekeeping", daemon=True)
    thread.start()
    return thread


def _run() -> None:
    due = {duty: 0.0 for duty, _ in DUTIES}
    while not drain.begun():
        for duty, every in DUTIES:
            if time.monotonic() >= due[duty]:
                due[duty] = time.monotonic() + every
                _try(duty)
        time.sleep(TICK)
    connection.close()


def _try(duty: Callable[[], None]) -> None:
    """One duty that fails must not keep the others from theirs."""
    try:
        duty()
    except Exception:
        logger.exception("housekeeping_failed duty=%s.%s", duty.__module__, duty.__qualname__)
        connection.close()

"""The loops that keep the house: what time has run out on, and what nobody will ask for again.

Everything here claims its work by conditional updates, so that any number of processes may run it.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence

from django.db import InterfaceError, OperationalError, connection

from z4j_brain.agents import ingest as agents
from z4j_brain.alerts import sending
from z4j_brain.alerts import turn as alerts
from z4j_brain.audit import anchors_turn, streams
from z4j_brain.fleet import holds
from z4j_brain.fleet import ingest as fleet
from z4j_brain.housekeeping import retention
from z4j_brain.issues import ingest as issues
from z4j_brain.lib import disk, drain, nudge
from z4j_brain.notifications import reading
from z4j_brain.operations import adoption, expiry
from z4j_brain.schedules import detection, dispatch_turn, until
from z4j_brain.schedules import ingest as schedules
from z4j_brain.tasks import partitions

logger = logging.getLogger(__name__)

#: Each duty and the seconds between two runs of it.
DUTIES: tuple[tuple[Callable[[], None], float], ...] = (
    (expiry.expire, 1.0),
    (expiry.reconsider, 5.0),
    (expiry.prune, 60.0),
    (adoption.adopt, 60.0),
    (agents.prune, 60.0),
    (fleet.prune, 60.0),
    (holds.keep, 15.0),
    (detection.turn, 10.0),
    (schedules.prune, 60.0),
    (issues.wake, 15.0),
    (issues.prune, 600.0),
    (alerts.turn, 5.0),
    (alerts.prune, 60.0),
    (reading.prune, 600.0),
    (partitions.ensure, 3600.0),
    (disk.keep_reserve, 5.0),
    (retention.prepare, 60.0),
    (retention.turn, 2.0),
)
#: Duties that wait for places outside: they have a thread of their own, so that none of the above waits with them.
OUTSIDE: tuple[tuple[Callable[[], None], float], ...] = (
    (anchors_turn.turn, 1.0),
    (streams.turn, 1.0),
)
#: Alerts are told in a thread of their own: a log that is far behind keeps nobody from hearing of trouble.
ALERTS: tuple[tuple[Callable[[], None], float], ...] = ((sending.turn, 1.0),)
#: What is due to the second: in a thread of its own as well.
PUNCTUAL: tuple[tuple[Callable[[], None], float], ...] = (
    (dispatch_turn.turn, 0.0),
    (dispatch_turn.reports, 1.0),
    (until.enable, 1.0),
)
TICK, SHORT_TICK = 0.5, 0.2
#: How long a duty that runs may go on when the process is told to stop. What it then loses is rolled back, and is
#: another process's or the next start's.
PATIENCE = 8.0


def run_once() -> None:
    """Every duty, now."""
    for duty, _ in (*DUTIES, *PUNCTUAL):
        duty()


def start() -> threading.Thread:
    """Run the duties in a thread of this process until it drains."""
    threading.Thread(target=_run, args=(OUTSIDE,), name="outside", daemon=True).start()
    threading.Thread(target=_run, args=(ALERTS,), name="alerts", daemon=True).start()
    threading.Thread(target=_run, args=(PUNCTUAL, SHORT_TICK), name="schedules", daemon=True).start()
    thread = threading.Thread(target=_run, args=(DUTIES,), name="housekeeping", daemon=True)
    thread.start()
    return thread


def run_alone() -> None:
    """Nothing but the duties, in a process of their own, until SIGTERM or SIGINT."""
    asyncio.run(_run_alone())


async def _run_alone() -> None:
    loop = asyncio.get_running_loop()
    nudge.bind(loop)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, drain.begin)
    thread = start()
    logger.info("housekeeping duties=%s", len(DUTIES) + len(PUNCTUAL))
    await drain.wait()
    await asyncio.to_thread(thread.join, PATIENCE)


def _run(duties: Sequence[tuple[Callable[[], None], float]], tick: float = TICK) -> None:
    due = {duty: 0.0 for duty, _ in duties}
    while not drain.begun():
        for duty, every in duties:
            if time.monotonic() >= due[duty]:
                due[duty] = time.monotonic() + every
                _try(duty)
        time.sleep(tick)
    connection.close()


def _try(duty: Callable[[], None]) -> None:
    """One duty that fails must not keep the others from theirs."""
    try:
        duty()
    except (OperationalError, InterfaceError) as error:
        logger.warning("store_away duty=%s.%s error=%s", duty.__module__, duty.__qualname__, str(error).strip())
        connection.close()
    except Exception:
        logger.exception("housekeeping_failed duty=%s.%s", duty.__module__, duty.__qualname__)
        connection.close()

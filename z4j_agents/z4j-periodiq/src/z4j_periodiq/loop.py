"""periodiq's own loop, seen from outside: it sleeps until SIGALRM, for the minute in which the next actor is due.

It must not be woken at any other time: in each turn it sends every actor whose plan has the current minute, also one
that it has sent in that minute already.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from datetime import timedelta
from typing import Any, Final

import pendulum
import periodiq

#: Seconds by which a turn comes later than its minute begins, so that it does not come too early.
LATER: Final = 0.02
#: What is nearer than that is left as it is.
NEAR: Final = 0.5


def is_here() -> bool:
    """Whether this process is periodiq's: its main function is at work, be it that it still imports the actors."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None:
        if frame.f_code is periodiq.main.__code__:
            return True
        frame = frame.f_back
    return False


def of_process() -> Any:
    """The scheduler whose loop sleeps here; None before its first turn."""
    found = getattr(signal.getsignal(signal.SIGALRM), "__self__", None)
    return found if isinstance(found, periodiq.Scheduler) else None


def sleeps() -> bool:
    """Whether an alarm is set. It is none while the loop sends."""
    return signal.getitimer(signal.ITIMER_REAL)[0] > 0


def set_alarm() -> None:
    """See to it that the next turn is in time for plans that are new since it set its alarm. Harmless at any time."""
    scheduler = of_process()
    if scheduler is None or not scheduler.actors:
        return
    now = turn_of()
    first = min(actor.options["periodic"].next_valid_date(now) for actor in scheduler.actors)
    wanted = max(first.timestamp() - time.time(), 0) + LATER
    if signal.getitimer(signal.ITIMER_REAL)[0] > wanted + NEAR:
        signal.setitimer(signal.ITIMER_REAL, wanted)


def turn_of() -> Any:
    """The time that a turn now would take itself for, as periodiq rounds it."""
    return (pendulum.now() + timedelta(seconds=0.5)).replace(microsecond=0)

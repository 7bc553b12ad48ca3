"""From the agent's thread into the worker's loop, and back in time.

A job that blocks keeps the loop from everything else. Whoever asks then is told so, and what was asked is never done
later, when nobody expects it any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from typing import Final, TypeVar

T = TypeVar("T")

#: Seconds that the loop may take to get to it.
PATIENCE: Final = 2.0


class Busy(Exception):
    """The loop did not get to it, and will not."""


def on_loop(loop: asyncio.AbstractEventLoop, work: Callable[[], T], patience: float = PATIENCE) -> T:
    """What `work`, which waits for nothing, returns in the loop's thread. Raises `Busy`, or what `work` raises."""
    future: Future[T] = Future()

    def run() -> None:
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)

    try:
        loop.call_soon_threadsafe(run)
    except RuntimeError as error:  # the loop is closed
        raise Busy from error
    try:
        return future.result(patience)
    except TooLate:
        if future.cancel():
            raise Busy from None
        return future.result(patience)  # it has just begun

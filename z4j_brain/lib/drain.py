"""The way out: once the server is told to stop, it wants nothing new and lets go of whoever waits."""

from __future__ import annotations

import asyncio
import threading

_begun = threading.Event()
_waiting: set[asyncio.Future[None]] = set()


def begin() -> None:
    """From now on /readyz says no, and everybody in `wait` goes on."""
    _begun.set()
    for future in list(_waiting):
        future.get_loop().call_soon_threadsafe(_release, future)


def begun() -> bool:
    return _begun.is_set()


async def wait() -> None:
    """Returns when the server is told to stop: a long poll waits for this too, and answers then."""
    if begun():
        return
    future = asyncio.get_running_loop().create_future()
    _waiting.add(future)
    try:
        await future
    finally:
        _waiting.discard(future)


def _release(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)

"""Nudges: a word to open pages and waiting polls that something has changed. They carry ids, never content.

A lost nudge costs a reader a few seconds until it polls, so nothing here raises, and nothing waits for long: a channel
layer that does not answer must not make a heap of what nobody will hear. It lives on the server's event loop; writers
are threads, and hand their nudges over to it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from channels.layers import get_channel_layer
from django.db import transaction

logger = logging.getLogger(__name__)

MAX_IDS = 50
#: Where the process that signs the log listens.
SIGNER_GROUP = "signer"
#: What a wake-up says that is about what agents are to hide.
POLICY = "policy"
#: And one that is about what an agent can do.
AGENT = "agent"
#: How long the channel layer may take, and how many nudges may be on their way; what is more is lost.
PATIENCE = 2.0
MAX_UNDERWAY = 200

_loop: asyncio.AbstractEventLoop | None = None
_underway: set[int] = set()
_numbers = itertools.count()


def bind(loop: asyncio.AbstractEventLoop) -> None:
    """Remember the server's loop. A process without one (a shell, a command) sends nothing.

    The channel layer is made here, before any thread can ask for it: made by two at once there would be two of them,
    and what listens on the one would hear nothing of what is sent by the other.
    """
    global _loop
    if loop is _loop:
        return
    get_channel_layer()
    _loop = loop


def pages_group(environment_id: int) -> str:
    return f"environment.{environment_id}"


def agents_group(environment_id: int) -> str:
    return f"agents.{environment_id}"


def send(environment_id: int, kind: str, ids: Sequence[str] = ()) -> None:
    """Tell open pages of the environment that these things of this kind have changed."""
    told = {"kind": kind, "ids": list(ids[:MAX_IDS]), "environment": environment_id}
    _post(pages_group(environment_id), {"type": "nudge", **told})


def on_commit(environment_id: int, kind: str, ids: Sequence[str] = ()) -> None:
    transaction.on_commit(partial(send, environment_id, kind, list(ids[:MAX_IDS])))


def wake(environment_id: int) -> None:
    """Tell the waiting polls of the environment's agents that there may be a command."""
    _post(agents_group(environment_id), {"type": "wake"})


def wake_on_commit(environment_id: int) -> None:
    transaction.on_commit(partial(wake, environment_id))


def policy_on_commit(environment_id: int) -> None:
    """Tell the waiting polls of the environment's agents that what they are to hide has changed."""
    transaction.on_commit(partial(_post, agents_group(environment_id), {"type": "wake", "about": POLICY}))


def agent_on_commit(environment_id: int, boot: str) -> None:
    """Tell whoever holds the poll of this agent that it has said anew what it can do."""
    about = {"about": AGENT, "environment": environment_id, "boot": boot}
    transaction.on_commit(partial(_post, agents_group(environment_id), {"type": "wake", **about}))


def call_signer() -> None:
    """Tell the process that signs the log that an entry waits for its seal."""
    _post(SIGNER_GROUP, {"type": "call"})


def _post(group: str, message: dict[str, Any]) -> None:
    if _loop is None or _loop.is_closed() or get_channel_layer() is None or len(_underway) >= MAX_UNDERWAY:
        return
    number = next(_numbers)
    _underway.add(number)
    sending = asyncio.run_coroutine_threadsafe(_send(group, message), _loop)
    sending.add_done_callback(partial(_report, number))


async def _send(group: str, message: dict[str, Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        await get_channel_layer().group_send(group, message)


def _report(number: int, future: Future[Any]) -> None:
    _underway.discard(number)
    if not future.cancelled() and (error := future.exception()):
        logger.warning("nudge_lost error=%s", error or type(error).__name__)

"""The loop of the process that signs the log: a thread of `z4j serve`, or `z4j signer` alone.

Whoever appends in this process calls by an event, others through the channel layer; what neither reached is found by a
sweep. One signs at a time; a second one says that it waits, and takes over when the first one is gone.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from contextlib import suppress

from channels.layers import get_channel_layer
from django.db import InterfaceError, OperationalError, connection

from z4j_brain.ledger import calls, sealing
from z4j_brain.ledger.sealing import Sealed
from z4j_brain.ledger.signer import Refused, Signer
from z4j_brain.lib import drain, nudge
from z4j_brain.rbac.models import Environment

logger = logging.getLogger(__name__)

#: What is not urgent waits for so long at most, so that many entries share a signature.
BATCH = 0.25
#: How often the database is compared with what was signed, and one that signs alone asks for entries of others.
SWEEP = 1.0
#: How long a part of a second process waits before it looks whether it may sign.
STANDBY = 1.0
#: The channel layer forgets who listens; say so again this often.
LISTEN = 60.0


def start(*, alone: bool = False) -> threading.Thread:
    """Sign in a thread of this process until it drains. `alone`: all who append are other processes."""
    sealing.on_sealed(wake_agents)
    calls.signs_here.set()
    thread = threading.Thread(target=_Loop(Signer(), BATCH if alone else SWEEP).run, name="signer", daemon=True)
    thread.start()
    return thread


def run_alone() -> None:
    """Nothing but signing, in a process of its own, until SIGTERM or SIGINT."""
    asyncio.run(_run_alone())


def wake_agents(sealed: Sealed) -> None:
    """Tell the waiting polls of those environments that what they wait for is sealed."""
    for project, environment in sealed.places:
        found = Environment.objects.filter(project__slug=project, slug=environment).values_list("pk", flat=True)
        for environment_id in found:
            nudge.wake(environment_id)


async def _run_alone() -> None:
    loop = asyncio.get_running_loop()
    nudge.bind(loop)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, drain.begin)
    thread = start(alone=True)
    listening = asyncio.create_task(_listen())
    logger.info("signer")
    await drain.wait()
    listening.cancel()
    await asyncio.to_thread(thread.join, BATCH * 8)


async def _listen() -> None:
    """Be called by other processes. A layer that is away costs them a batch's time, and nothing else."""
    layer, channel = get_channel_layer(), ""
    while layer is not None:
        try:
            channel = channel or await layer.new_channel()
            await layer.group_add(nudge.SIGNER_GROUP, channel)
            with suppress(TimeoutError):
                async with asyncio.timeout(LISTEN):
                    while await layer.receive(channel):
                        calls.call(at_once=True)
        except Exception as error:
            logger.warning("signer_deaf error=%s", error or type(error).__name__)
            await asyncio.sleep(STANDBY)


class _Loop:
    def __init__(self, signer: Signer, sweep: float) -> None:
        self.signer, self.sweep = signer, sweep
        self.swept = self.looked = float("-inf")
        self.stands_by = False

    def run(self) -> None:
        while not drain.begun():
            try:
                self._turn()
            except (OperationalError, InterfaceError) as error:
                logger.warning("store_away duty=signer error=%s", str(error).strip())
                connection.close()
                time.sleep(BATCH)
            except Exception:
                logger.exception("signing_failed")
                connection.close()
                time.sleep(STANDBY)
        self.signer.release()
        connection.close()

    def _turn(self) -> None:
        if not self._holds():
            time.sleep(STANDBY)
            return
        now = time.monotonic()
        if now >= self.looked + SWEEP:
            self.looked = now
            if not sealing.look(self.signer):  # a person who decides needs the lock
                self.signer.release()
                time.sleep(STANDBY)
                return
        at_once = calls.urgent.wait(BATCH)
        if at_once or calls.waiting.is_set() or time.monotonic() >= self.swept + self.sweep:
            calls.urgent.clear()
            calls.waiting.clear()
            self.swept = time.monotonic()
            sealing.seal(self.signer)

    def _holds(self) -> bool:
        try:
            holds = self.signer.hold()
        except Refused as refusal:
            sealing.refuse(refusal.state, refusal.reason)
            return False
        if holds == self.stands_by:
            self.stands_by = not holds
            logger.warning("signer_%s lock=%s", "takes_over" if holds else "stands_by", self.signer.folder.path)
        return holds

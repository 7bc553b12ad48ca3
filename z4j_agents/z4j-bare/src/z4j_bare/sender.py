"""From the spool to the brain: one frozen batch at a time, sent again byte for byte until it is answered.

What the brain has answered for leaves the spool, nothing else does. A batch that is refused as a whole is halved, until
the one event that cannot be taken is alone: it is counted as rejected, and the rest flows.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from enum import Enum
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol

from z4j_core import safety, wire

from z4j_bare.batch import Frozen
from z4j_bare.clock import Skew, now
from z4j_bare.outage import Outage
from z4j_bare.spool import Spool
from z4j_bare.transport import Transport, Unreachable

logger = logging.getLogger(__name__)

#: Seconds between two looks at the spool; pool children write to it without telling.
LOOK: Final = 0.25
#: A batch with this many events is followed by the next one at once.
FULL: Final = 200
DEFINITIVE: Final = frozenset({400, 409, 413, 422})
FORBIDDEN: Final = frozenset({401, 403, 404, 405, 411})


class Step(Enum):
    SENT = "sent"
    SENT_FULL = "sent, and there is probably more"
    NOTHING = "nothing to send"
    FAILED = "to be tried again later"


class Errand(Protocol):
    """What else the sender's thread does between two batches. Cheap; asked at each look."""

    def __call__(self) -> None: ...


class Delivery:
    """Sends batches of spools over one connection."""

    def __init__(self, transport: Transport, skew: Skew | None = None) -> None:
        self.transport = transport
        self._skew = skew or Skew()
        self.outage = Outage()

    def step(self, spool: Spool) -> Step:
        """Send the oldest batch. Raises Unavailable when the spool cannot be used."""
        frozen = None if spool.is_empty() else spool.freeze()
        if frozen is None:
            return Step.NOTHING
        spool.tried(frozen.first)
        headers = {"Content-Encoding": "gzip", wire.TRIES_HEADER: str(frozen.tries + 1)}
        began = now()
        try:
            reply = self.transport.post(wire.EVENTS_PATH, frozen.body, headers)
        except Unreachable as error:
            self.outage.failed(f"is unreachable ({error}); events wait in the spool")
            return Step.FAILED
        if reply.status == 200 and self._settled(spool, frozen, reply.body, began):
            self.outage.over()
            return Step.SENT if len(frozen.seqs) < FULL else Step.SENT_FULL
        if reply.status in DEFINITIVE:
            self.outage.over()
            self._refused(spool, frozen, _code(reply.body, reply.status))
            return Step.SENT_FULL
        if reply.status in FORBIDDEN:
            self.outage.refused(f"refuses us ({_code(reply.body, reply.status)}); events wait in the spool")
        else:
            self.outage.failed(f"takes no events now ({reply.status}); they wait in the spool", reply.retry_after)
        return Step.FAILED

    def _settled(self, spool: Spool, frozen: Frozen, body: bytes, began: int) -> bool:
        try:
            answer: Any = json.loads(body)
            duplicates = {int(seq) for seq in answer["duplicates"]}
            rejected = {int(each["seq"]): str(each["code"])[:64] for each in answer["rejected"]}
        except (ValueError, KeyError, TypeError, RecursionError):
            return False
        if not frozen.tries:  # the answer to a batch that came twice may be as old as the first
            self._skew.note(began, now(), answer.get("time"))
        spool.settle(frozen, duplicates, rejected)
        return True

    def _refused(self, spool: Spool, frozen: Frozen, code: str) -> None:
        if len(frozen.seqs) > 1:
            spool.split(frozen.first)
        else:
            logger.warning("boot=%s seq=%s code=%s the brain refused an event", spool.boot, frozen.first, code)
            spool.settle(frozen, (), {frozen.first: code})


class Sender:
    """The thread that empties a spool. It looks by itself and can be woken; `finish` waits until the spool is empty."""

    def __init__(self, spool: Spool, delivery: Delivery, *errands: Errand) -> None:
        self.spool = spool
        self.delivery = delivery
        self._errands = errands
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._finishing = False
        self._thread = threading.Thread(target=self._run, name="z4j-sender", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        if self._wake.empty():
            self._wake.put(None)

    def finish(self, timeout: float) -> bool:
        """Send what is there, as long as it works and time allows; then the thread ends. True: the spool is empty."""
        self._finishing = True
        self._wake.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive():
            self.delivery.transport.interrupt()
        return not self._thread.is_alive() and self.spool.is_empty()

    def _run(self) -> None:
        step = Step.NOTHING
        while not self._finishing:
            with safety.guard("sender"):
                step = Step.FAILED
                step = self._round()
            self._rest(step)
        # A brain that did not answer before will hardly do so now, and somebody is waiting for this process to end.
        with safety.guard("sender"):
            while not self.delivery.outage.failing and self.delivery.step(self.spool) in (Step.SENT, Step.SENT_FULL):
                pass
        self.delivery.transport.close()

    def _round(self) -> Step:
        for errand in self._errands:
            errand()
        return Step.FAILED if self.delivery.outage.resting else self.delivery.step(self.spool)

    def _rest(self, step: Step) -> None:
        """A moment longer after a small batch: a busy worker sends few large ones instead of many small ones."""
        if step is Step.SENT_FULL or self._finishing:
            return
        with contextlib.suppress(Empty):
            self._wake.get(timeout=LOOK)
        if not self._finishing:
            time.sleep(0.05)


def _code(body: bytes, status: int) -> str:
    """The brain's word for a refusal (RFC 9457), or the bare status."""
    try:
        code = json.loads(body)["code"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"http_{status}"
    return str(code)[:64]

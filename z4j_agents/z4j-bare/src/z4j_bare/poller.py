"""From the brain to the engine: waits for commands, has them checked and carried out, and answers."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from z4j_core import safety, wire

from z4j_bare import looks
from z4j_bare.clock import Skew, now
from z4j_bare.database import Unavailable
from z4j_bare.executor import Executor, Unkept, every
from z4j_bare.inspection import Inspection, Refused, Unreadable
from z4j_bare.journal import Journal
from z4j_bare.outage import Outage
from z4j_bare.patience import IMPATIENT, Patience
from z4j_bare.policies import Policies
from z4j_bare.transport import Reply, Transport, Unreachable
from z4j_bare.witness import Witness

logger = logging.getLogger(__name__)

#: Seconds that we wait longer for an answer than the brain lets us wait.
GRACE: Final = 10
PRUNE_EVERY: Final = 3600.0
LOOK: Final = 0.5
#: Answers that are in no journal and wait in memory for the brain.
MOST_UNKEPT: Final = 100


class Poller:
    """The thread that waits for commands. One at a time: a worker is not the place for a crowd of actions."""

    def __init__(
        self,
        boot: str,
        transport: Transport,
        inspection: Inspection,
        executor: Executor,
        journal: Journal,
        witness: Witness,
        policies: Policies,
        on_look: Callable[[Sequence[wire.Look]], None],
        say: Callable[[], None],
        skew: Skew,
    ) -> None:
        self._boot = boot
        self._transport = transport
        self._inspection = inspection
        self._executor = executor
        self._journal = journal
        self._witness = witness
        self._policies = policies
        self._on_look = on_look
        self._say = say
        self._applied = policies.version()
        self._skew = skew
        self._patience = Patience()
        self.outage = Outage()
        self._prune_at = 0.0
        self._prepared = self._entered = False
        self._unkept: deque[wire.Results] = deque(maxlen=MOST_UNKEPT)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="z4j-poller", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._transport.interrupt()

    def _run(self) -> None:
        while not self._ended.is_set():
            pause = 1.0
            with safety.guard("poller"):
                pause = self._round()
            self._ended.wait(pause)
            while self.outage.resting and not self._ended.wait(LOOK):
                pass
        self._journal.file.close()
        self._witness.close()
        self._transport.close()

    def _round(self) -> float:
        """Seconds to wait before the next one, when nothing is wrong."""
        began = time.monotonic()
        try:
            if not self._prepared:
                self._inspection.prepare()
                self._prepared = True
            self._enter()
            self._answer()
            asked, remembered = now(), self._witness.query()
            reply = self._poll(remembered)
            answer = _read(reply.body) if reply.status == 200 else {}
            # Before anything is done: what is shown of the log may end that.
            self._witness.hear(answer.get("log"), remembered)
        except Unreachable as error:
            self.outage.failed(f"is unreachable ({error})")
            return 0.0
        if reply.status == 200:
            self.outage.over()
            self._skew.note(asked, now(), answer.get("time"))
            self._policies.hear(answer.get("redaction"))
            self._tell_policy()
            self._on_look(looks.read(answer.get("look")))
            commands = answer.get("commands")
            commands = commands if isinstance(commands, list) else []
            self._carry_out(commands)
            # A brain, or a proxy before it, that does not let us wait is not asked in a busy loop.
            return 0.0 if commands or time.monotonic() - began > 1.0 else 0.5
        if reply.status in (401, 403, 404, 405):
            self.outage.refused(f"refuses us ({reply.status})")
        else:
            self.outage.failed(f"hands out no commands now ({reply.status})", reply.retry_after)
        return 0.0

    def _tell_policy(self) -> None:
        """Also of one that another worker of this host has heard."""
        if (version := self._policies.version()) != self._applied:
            self._applied = version
            self._say()

    def _enter(self) -> None:
        """Without a place in the journal there is still something to be told: that nothing can be done here."""
        if not self._entered:
            with contextlib.suppress(Unavailable):
                self._journal.enter(self._boot)
                self._entered = True

    def _carry_out(self, commands: Sequence[wire.Signed]) -> None:
        """All of them, whatever becomes of one: what is left lying comes back when its time has run. What the brain
        cannot be told now it is told in the next round.
        """
        lost: Unreachable | None = None
        for signed in commands:
            with safety.guard("poller.command"):
                try:
                    self.handle(signed)
                    if lost is None:
                        self._answer()
                except Unreachable as error:
                    lost = error
        if lost is not None:
            self.outage.failed(f"is unreachable ({lost})")

    def _poll(self, remembered: dict[str, str]) -> Reply:
        """Wait for an answer; when a proxy makes a habit of cutting us off, once more and for less long."""
        while True:
            began = time.monotonic()
            wait = self._patience.seconds
            asked = {"boot": self._boot, "wait": wait, "v": wire.VERSION, wire.POLICY_QUERY: self._policies.version()}
            query = urlencode(asked | remembered)
            try:
                reply = self._transport.get(f"{wire.COMMANDS_PATH}?{query}", wait=wait + GRACE)
            except Unreachable:
                if self._ended.is_set() or not self._patience.cut(time.monotonic() - began):
                    raise
                continue
            if reply.status == 200:
                self._patience.kept()
            elif reply.status in IMPATIENT and self._patience.cut(time.monotonic() - began):
                continue
            return reply

    def handle(self, signed: wire.Signed) -> None:
        """Carry it out; `_answer` then has what came of it. Raises Unreachable when keys are needed."""
        try:
            self._executor.carry_out(self._inspection.inspect(signed))
        except Unreadable as error:
            logger.error("reason=%s a command could not be read", error)
        except Refused as refused:
            command = refused.command
            logger.warning("command=%s verb=%s not carried out: %s", command["id"], command["verb"], refused.why)
            self._keep(command, every(command, refused.outcome, refused.why, refused.code))
        except Unkept as unkept:
            logger.error("command=%s its results cannot be journaled and are kept in memory", unkept.command["id"])
            self._keep(unkept.command, unkept.results)

    def _keep(self, command: wire.Command, results: Sequence[wire.Result]) -> None:
        """For an answer that is in no journal."""
        name, fence = command["id"], command["fence"]
        self._unkept.append(
            wire.Results(v=wire.VERSION, boot=self._boot, command=name, fence=fence, results=list(results))
        )

    def _answer(self) -> None:
        """Send what the brain has not taken yet, also what an agent before us left behind. Raises Unreachable."""
        while self._unkept and self._post(self._unkept[0]):
            self._unkept.popleft()
        for answer in self._journal.unsent():
            if self._post(answer):
                self._journal.sent(answer)
        if time.monotonic() >= self._prune_at:
            self._prune_at = time.monotonic() + PRUNE_EVERY
            self._journal.prune(self._boot)

    def _post(self, answer: wire.Results) -> bool:
        """True: the brain has taken it, or will never want it. Raises Unreachable."""
        reply = self._transport.post(wire.RESULTS_PATH, json.dumps(answer).encode(), {})
        if 400 <= reply.status < 500 and reply.status not in (401, 403, 408, 429):
            logger.error("command=%s status=%s the brain does not want these results", answer["command"], reply.status)
        return 200 <= reply.status < 300 or (400 <= reply.status < 500 and reply.status not in (401, 403, 408, 429))


def _read(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}

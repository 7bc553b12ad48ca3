"""From the brain to the engine: waits for commands, checks them, carries them out once, and answers.

The order is what makes a killed process harmless: journal `started`, act, journal `done`, answer. What was done is
never done again; what may have been done is done again only when the verb says so.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from z4j_core import safety, wire
from z4j_core.engine import Engine, Target

from z4j_bare import looks
from z4j_bare.allow import AllowList
from z4j_bare.clock import Skew, now
from z4j_bare.database import Unavailable
from z4j_bare.inspection import Inspection, Refused, Unreadable
from z4j_bare.journal import Entry, Journal
from z4j_bare.outage import Outage
from z4j_bare.patience import IMPATIENT, Patience
from z4j_bare.transport import Reply, Transport, Unreachable

logger = logging.getLogger(__name__)

#: Seconds that we wait longer for an answer than the brain lets us wait.
GRACE: Final = 10
#: Safe to start again after a crash in the middle: the effect is the same.
REPEATABLE: Final = frozenset(
    {"retry", "cancel", "ping", "pause", "resume", "rate_limit", "time_limit", "autoscale", "hello"}
)
MAX_STARTS: Final = 3
PRUNE_EVERY: Final = 3600.0
LOOK: Final = 0.5


class Executor:
    """Carries out one inspected command, with the journal on both sides of the act."""

    def __init__(self, journal: Journal, engines: Mapping[str, Engine], allow: AllowList) -> None:
        self._journal = journal
        self._engines = engines
        self._allow = allow

    def carry_out(self, command: wire.Command) -> None:
        """Its results are in the journal, to be sent, when this returns. Raises Refused."""
        try:
            entry = self._journal.start(command)
        except Unavailable as error:
            raise Refused(command, "This worker cannot write its journal, so it does not act.") from error
        if entry.results is not None:
            return
        self._journal.done(command, self._results(command, entry))

    def _results(self, command: wire.Command, entry: Entry) -> list[wire.Result]:
        if entry.tries >= MAX_STARTS:
            return _all(command, wire.Outcome.SET_ASIDE, "Started three times, finished never: set aside.")
        if entry.tries and command["verb"] not in REPEATABLE:
            return _all(command, wire.Outcome.FAILED, "Started once and cut off; nobody knows whether it took effect.")
        if not entry.tries and (why := self._allow.excess()):
            return _all(command, wire.Outcome.REFUSED, why)
        return [self._one(command, target, entry) for target in command["targets"]]

    def _one(self, command: wire.Command, target: wire.Target, entry: Entry) -> wire.Result:
        if target["item"] in entry.settled:
            return entry.settled[target["item"]]
        result = self._act(command, target)
        with safety.guard("journal.settle"):
            self._journal.settle(command["id"], result)
        return result

    def _act(self, command: wire.Command, target: wire.Target) -> wire.Result:
        if command["verb"] == "ping":
            return wire.Result(item=target["item"], outcome=wire.Outcome.DONE)
        engine = self._engines.get(command["engine"])
        if engine is None:
            why = "This agent does not serve that engine."
            return wire.Result(item=target["item"], outcome=wire.Outcome.UNSUPPORTED, detail=why)
        answer = engine.act(command["verb"], Target.from_wire(command, target), command["params"])
        result = wire.Result(item=target["item"], outcome=answer.outcome, detail=answer.detail[: wire.MAX_ID])
        if answer.new_task_id:
            result["new_task_id"] = answer.new_task_id
        return result


class Poller:
    """The thread that waits for commands. One at a time: a worker is not the place for a crowd of actions."""

    def __init__(
        self,
        boot: str,
        transport: Transport,
        inspection: Inspection,
        executor: Executor,
        journal: Journal,
        on_look: Callable[[Sequence[wire.Look]], None],
        skew: Skew,
    ) -> None:
        self._boot = boot
        self._transport = transport
        self._inspection = inspection
        self._executor = executor
        self._journal = journal
        self._on_look = on_look
        self._skew = skew
        self._patience = Patience()
        self.outage = Outage()
        self._prune_at = 0.0
        self._prepared = False
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
        self._transport.close()

    def _round(self) -> float:
        """Seconds to wait before the next one, when nothing is wrong."""
        began = time.monotonic()
        try:
            if not self._prepared:
                self._inspection.prepare()
                self._prepared = True
            self._answer()
            asked = now()
            reply = self._poll()
        except Unreachable as error:
            self.outage.failed(f"is unreachable ({error})")
            return 0.0
        if reply.status == 200:
            self.outage.over()
            answer = _read(reply.body)
            self._skew.note(asked, now(), answer.get("time"))
            self._on_look(looks.read(answer.get("look")))
            commands = answer.get("commands")
            commands = commands if isinstance(commands, list) else []
            for signed in commands:
                self.handle(signed)
            # A brain, or a proxy before it, that does not let us wait is not asked in a busy loop.
            return 0.0 if commands or time.monotonic() - began > 1.0 else 0.5
        if reply.status in (401, 403, 404, 405):
            self.outage.refused(f"refuses us ({reply.status})")
        else:
            self.outage.failed(f"hands out no commands now ({reply.status})", reply.retry_after)
        return 0.0

    def _poll(self) -> Reply:
        """Wait for an answer; when a proxy makes a habit of cutting us off, once more and for less long."""
        while True:
            began = time.monotonic()
            wait = self._patience.seconds
            query = urlencode({"boot": self._boot, "wait": wait, "v": wire.VERSION})
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
        try:
            self._executor.carry_out(self._inspection.inspect(signed))
            self._answer()
        except Unreadable as error:
            logger.error("reason=%s a command could not be read", error)
        except Refused as refused:
            command = refused.command
            logger.warning("command=%s verb=%s not carried out: %s", command["id"], command["verb"], refused.why)
            results = _all(command, refused.outcome, refused.why)
            self._post(
                wire.Results(
                    v=wire.VERSION, boot=self._boot, command=command["id"], fence=command["fence"], results=results
                )
            )

    def _answer(self) -> None:
        """Send what the brain has not taken yet, also what an agent before us left behind."""
        for answer in self._journal.unsent():
            if self._post(answer):
                self._journal.sent(answer)
        if time.monotonic() >= self._prune_at:
            self._prune_at = time.monotonic() + PRUNE_EVERY
            self._journal.prune()

    def _post(self, answer: wire.Results) -> bool:
        """True: the brain has taken it, or will never want it. Raises Unreachable."""
        reply = self._transport.post(wire.RESULTS_PATH, json.dumps(answer).encode(), {})
        if 400 <= reply.status < 500 and reply.status not in (401, 403, 408, 429):
            logger.error("command=%s status=%s the brain does not want these results", answer["command"], reply.status)
        return 200 <= reply.status < 300 or (400 <= reply.status < 500 and reply.status not in (401, 403, 408, 429))


def _all(command: wire.Command, outcome: wire.Outcome, why: str) -> list[wire.Result]:
    return [wire.Result(item=target["item"], outcome=outcome, detail=why) for target in command["targets"]]


def _read(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}

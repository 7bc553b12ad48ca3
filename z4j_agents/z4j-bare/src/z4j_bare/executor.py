"""Carrying out one command, so that a killed process does no harm.

The order is what does it: journal `started`, and for each target journal `begun`, act, journal what came of it; then
journal `done`, and answer. Given the same command again, here or in another worker of this host, what was finished is
answered from the journal and what was not begun is carried out; so is what was lost on its way to a worker of this
host. The one target that was begun and not finished is asked about in the engine, or answered as unknown. So are all of
them when the journal of another host may know more.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from z4j_core import revealed, safety, wire
from z4j_core.adapter import Adapter, Target
from z4j_core.verbs import MAKES

from z4j_bare import each, reveal
from z4j_bare.allow import AllowList
from z4j_bare.database import Unavailable
from z4j_bare.inspection import Refused
from z4j_bare.journal import Entry, Journal, Superseded
from z4j_bare.reveal import Kept
from z4j_bare.sealer import Sealer

logger = logging.getLogger(__name__)

#: What was cut off in the act may be done again: the effect is the same.
REPEATABLE: Final = frozenset({
    "cancel", "ping", "pause", "resume", "rate_limit", "time_limit", "autoscale", "hello", revealed.VERB,
    "schedule_enable", "schedule_disable", "schedule_edit", "schedule_create", "schedule_delete",
})  # fmt: skip
MAX_STARTS: Final = 3
_CUT_OFF: Final = (
    "Begun once and cut off; nobody knows whether it took effect. It is not repeated by itself: look, and ask again if"
    " it did not."
)
_NO_JOURNAL: Final = "This worker cannot write its journal, so it does not act."


class Unkept(Exception):
    """It was carried out, but what came of it could not be journaled: it is to be answered now."""

    def __init__(self, command: wire.Command, results: Sequence[wire.Result]) -> None:
        super().__init__(command["id"])
        self.command = command
        self.results = list(results)


class Executor:
    """Carries out one inspected command, with the journal on both sides of each act. `sealer` opens what is sealed,
    `kept` tells what this host has of a task.
    """

    def __init__(
        self,
        journal: Journal,
        adapters: Mapping[str, Adapter],
        allow: AllowList,
        sealer: Sealer | None = None,
        kept: Kept = lambda task_id: None,
    ) -> None:
        self._journal = journal
        self._adapters = adapters
        self._allow = allow
        self._sealer = sealer
        self._kept = kept

    def carry_out(self, command: wire.Command) -> None:
        """Its results are in the journal, to be sent, when this returns. Raises Refused and Unkept."""
        try:
            entry = self._start(command)
            if entry.results is not None:
                return
            with ExitStack() as stack:
                self._prepare(command, stack)
                results = self._results(command, entry)
        except Superseded:
            logger.warning("command=%s another worker of this host was given it meanwhile and goes on", command["id"])
            return
        try:
            self._journal.done(command, results)
        except Unavailable as error:
            raise Unkept(command, results) from error

    def _start(self, command: wire.Command) -> Entry:
        try:
            return self._journal.start(command)
        except Unavailable as error:
            raise Refused(command, _NO_JOURNAL) from error

    def _prepare(self, command: wire.Command, stack: ExitStack) -> None:
        """What the engine opens for all targets. Where that fails, each target says so by itself."""
        adapter = self._adapters.get(command["engine"])
        if adapter is not None and len(command["targets"]) > 1:
            with safety.guard(f"{adapter.name}.session"):
                stack.enter_context(adapter.session())

    def _results(self, command: wire.Command, entry: Entry) -> list[wire.Result]:
        if entry.tries >= MAX_STARTS:
            return self._all(command, entry, wire.Outcome.SET_ASIDE, "Started three times, finished never: set aside.")
        if not entry.tries and (why := self._allow.excess()):
            return self._all(command, entry, wire.Outcome.REFUSED, why)
        results: dict[int, wire.Result] = dict(entry.settled)
        ended: wire.Result | None = None
        for target in command["targets"]:
            item = target["item"]
            if item in results:
                continue
            try:
                self._journal.turn(command, ended, begins=item, durable=command["verb"] not in REPEATABLE | MAKES)
            except Unavailable:
                return self._all(command, replace(entry, settled=results), wire.Outcome.REFUSED, _NO_JOURNAL)
            results[item] = ended = self._one(command, target, again=item in entry.begun)
        return [results[target["item"]] for target in command["targets"]]

    def _one(self, command: wire.Command, target: wire.Target, *, again: bool) -> wire.Result:
        """`again`: somebody may have carried it out before."""
        verb, item = command["verb"], target["item"]
        if verb == "ping":
            return wire.Result(item=item, outcome=wire.Outcome.DONE)
        if verb == revealed.VERB and self._sealer is not None:
            return reveal.answer(command, target, self._sealer, self._kept)
        adapter = self._adapters.get(command["engine"])
        if adapter is None:
            why = "This agent does not serve that engine."
            return wire.Result(item=item, outcome=wire.Outcome.UNSUPPORTED, detail=why)
        if again and verb not in REPEATABLE | MAKES:
            return wire.Result(item=item, outcome=wire.Outcome.UNKNOWN, detail=_CUT_OFF)
        if (params := each.params(command, target)) is None:
            return each.unsaid(target)
        unopened = self._sealer.lend(command, target) if self._sealer else None
        if unopened is not None and unopened.hostile:
            outcome, why = (wire.Outcome.UNKNOWN, _CUT_OFF) if again else (wire.Outcome.REFUSED, str(unopened))
            return wire.Result(item=item, outcome=outcome, detail=why, code=unopened.code.value)
        try:
            answer = adapter.act(each.single(verb), Target.from_wire(command, target, again=again), params)
        finally:
            if self._sealer:
                self._sealer.take_back(target)
        result = wire.Result(item=item, outcome=answer.outcome, detail=answer.detail[: wire.MAX_ID])
        if unopened is not None and answer.outcome == wire.Outcome.ARGS_UNAVAILABLE:
            result |= {"detail": str(unopened), "code": unopened.code.value}
        if answer.new_task_id:
            result["new_task_id"] = answer.new_task_id
        return result

    @staticmethod
    def _all(command: wire.Command, entry: Entry, outcome: wire.Outcome, why: str) -> list[wire.Result]:
        """The same for every target that is not finished; but what somebody has begun is not refused any more."""
        results = {result["item"]: result for result in every(command, outcome, why)}
        if outcome is wire.Outcome.REFUSED:
            why = f"{why} {_CUT_OFF}"
            begun = results.keys() & entry.begun
            results |= {item: wire.Result(item=item, outcome=wire.Outcome.UNKNOWN, detail=why) for item in begun}
        return [entry.settled.get(item, result) for item, result in results.items()]


def every(command: wire.Command, outcome: wire.Outcome, why: str, code: str = "") -> Sequence[wire.Result]:
    results = [wire.Result(item=target["item"], outcome=outcome, detail=why) for target in command["targets"]]
    for result in results if code else ():
        result["code"] = code
    return results

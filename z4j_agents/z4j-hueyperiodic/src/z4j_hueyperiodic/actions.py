"""What people may ask of Huey's periodic tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from huey import Huey
from huey.api import Task
from huey.consumer import Consumer
from z4j_core.overrides import Overrides
from z4j_core.scheduler import Answer, Scheduler, Target, emulated, verb
from z4j_core.wire import Outcome

from z4j_hueyperiodic import fields
from z4j_hueyperiodic.fields import NoPlan

_NO_CONSUMER: Final = "No consumer of Huey runs in this process."
_NOT_PERIODIC: Final = "This consumer was started without periodic tasks."
_UNKNOWN: Final = "There is no periodic task of that name in this consumer."
_NEXT_MINUTE: Final = "In force when the scheduler looks next, within a minute."
_SAME_NAMES: Final = frozenset({"UTC", "Etc/UTC", "Etc/GMT", "GMT", "Zulu", "Etc/Zulu"})


@dataclass(frozen=True, slots=True)
class Code:
    """The plan as the code has it. `cron`: "" where it is not one of five fields of crontab(5)."""

    text: str
    cron: str


class Actions(Scheduler):
    """`live`: the consumer of this process. Keys are the names of tasks in Huey's registry, and those people gave."""

    def __init__(self) -> None:
        self.live: Consumer | None = None
        #: The validators that were there before ours.
        self.originals: dict[type[Task], Any] = {}

    def obstacle(self, verb: str) -> str:
        if why := super().obstacle(verb):
            return why
        if self.live is None:
            return _NO_CONSUMER
        return "" if self.live.periodic else _NOT_PERIODIC

    # What there is.

    @property
    def huey(self) -> Huey:
        assert self.live is not None
        return self.live.huey

    @property
    def overrides(self) -> Overrides:
        assert self.host is not None
        return Overrides(self.host.state, self.name)

    @property
    def zone(self) -> str:
        return fields.zone(utc=bool(self.huey.utc))

    def is_ours(self, huey: Huey) -> bool:
        return self.host is not None and huey is getattr(self.live, "huey", None)

    def key_of(self, kind: type[Task]) -> str:
        return str(self.huey._registry.task_to_string(kind))

    def kinds(self) -> dict[str, type[Task]]:
        """Those that the code made periodic."""
        return {self.key_of(kind): kind for kind in list(self.huey._registry._periodic_tasks)}

    def kind_of(self, words: Mapping[str, Any]) -> type[Task] | None:
        """Whose tasks a schedule that people made sends."""
        found: type[Task] | None = self.huey._registry._registry.get(words.get("task"))
        return found

    def code_of(self, kind: type[Task]) -> Code:
        validator = fields.validator_of(_Original(self.originals.get(kind, kind.validate_datetime)))
        found = fields.read(validator)
        if found is None:
            module, name = getattr(validator, "__module__", ""), getattr(validator, "__qualname__", "a function")
            return Code(f"whenever {module}.{name} says so", "")
        text = found.text()
        if found.restricts_days_twice:
            return Code(f"{text}, where both the date and the weekday fit", "")
        return Code(text, text)

    def cron_of(self, key: str, kind: type[Task]) -> str:
        """The expression in force; "" where it is none."""
        return str(self.overrides.get(key).get("cron") or self.code_of(kind).cron)

    # What may be asked.

    @verb("Huey's restore_all, in its storage: for every consumer")
    def schedule_enable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._switch(target, off=False)

    @verb(
        "Huey's revoke_all, in its storage, for every consumer: its tasks are sent, and dropped when it is their turn"
    )
    def schedule_disable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._switch(target, off=True)

    def _switch(self, target: Target, *, off: bool) -> Answer:
        words, kind = self.overrides.get(target.name), self.kinds().get(target.name)
        if "task" in words:
            self.overrides.add(target.name, off=off or None)
        elif kind is None or words.get("gone"):
            return Answer(Outcome.NOT_FOUND, _UNKNOWN)
        elif off:
            self.huey.revoke_all(kind)
        else:
            self.huey.restore_all(kind)
        return Answer(Outcome.DONE)

    @emulated("in the scheduler of this consumer; kept by the agent and done again whenever it starts")
    def schedule_edit(self, target: Target, params: Mapping[str, Any]) -> Answer:
        words, kind = self.overrides.get(target.name), self.kinds().get(target.name)
        is_made = "task" in words
        if not is_made and (kind is None or words.get("gone")):
            return Answer(Outcome.NOT_FOUND, _UNKNOWN)
        if not is_made and (params.get("args") or params.get("kwargs")):
            return Answer(Outcome.FAILED, "Huey gives no arguments to a periodic task.")
        try:
            wished = self._wished(params)
        except NoPlan as error:
            return Answer(Outcome.FAILED, str(error))
        if kind is not None and not is_made and wished.get("cron") == self.code_of(kind).cron:
            self.overrides.forget(target.name)
        else:
            self.overrides.add(target.name, **wished)
        return Answer(Outcome.DONE, _NEXT_MINUTE)

    @emulated("another plan for a task of this consumer, kept by the agent of this host and asked by its scheduler")
    def schedule_create(self, target: Target, params: Mapping[str, Any]) -> Answer:
        task, words = str(params.get("task") or ""), self.overrides.get(target.name)
        if "task" in words or (target.name in self.kinds() and not words.get("gone")):
            same = target.again and words.get("task") == task
            return Answer(Outcome.DONE) if same else Answer(Outcome.FAILED, "There is a schedule of that name already.")
        if self.kind_of({"task": task}) is None:
            return Answer(Outcome.FAILED, "This consumer has registered no task of that name.")
        try:
            wished = self._wished(params)
            if "cron" not in wished:
                raise NoPlan("A new schedule needs a plan: cron.")
        except NoPlan as error:
            return Answer(Outcome.FAILED, str(error))
        self.overrides.put(target.name, {"task": task, **wished})
        return Answer(Outcome.DONE, _NEXT_MINUTE)

    def _wished(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Raises NoPlan."""
        if params.get("every") not in (None, "") or params.get("at") not in (None, ""):
            raise NoPlan("Huey looks once a minute whether a minute fits: it takes cron, no interval and no moment.")
        if params.get("queue") not in (None, "", self.huey.name):
            raise NoPlan(f"This consumer's queue is {self.huey.name}.")
        wished: dict[str, Any] = {}
        if cron := str(params.get("cron") or "").strip():
            self._check_zone(str(params.get("zone") or ""))
            wished["cron"] = wished["text"] = fields.parse(cron)[1]
        for name, kind in (("args", list), ("kwargs", dict)):
            if params.get(name) is not None:
                if not isinstance(params[name], kind):
                    raise NoPlan("args is a list, and kwargs has names.")
                wished[name] = params[name]
        return wished

    def _check_zone(self, wanted: str) -> None:
        here = self.zone
        if wanted and wanted != here and not {wanted, here} <= _SAME_NAMES:
            raise NoPlan(f"This Huey reads its clock in {here or 'the zone of its machine'}, not in {wanted}.")

    @emulated("its scheduler does not ask it any more; the code that makes it periodic stays")
    def schedule_delete(self, target: Target, params: Mapping[str, Any]) -> Answer:
        words, in_code = self.overrides.get(target.name), target.name in self.kinds()
        if words.get("gone") or not (in_code or "task" in words):
            return Answer(Outcome.DONE) if target.again else Answer(Outcome.NOT_FOUND, _UNKNOWN)
        self.overrides.put(target.name, {"gone": True} if in_code else {})
        return Answer(Outcome.DONE)

    @emulated("sends one of its tasks as its scheduler does")
    def schedule_run(self, target: Target, params: Mapping[str, Any]) -> Answer:
        words, kind = self.overrides.get(target.name), self.kinds().get(target.name)
        is_made = "task" in words
        kind = self.kind_of(words) if is_made else kind
        if kind is None or words.get("gone"):
            return Answer(Outcome.NOT_FOUND, _UNKNOWN)
        if self.huey.immediate:
            return Answer(Outcome.UNSUPPORTED, "The setting immediate is on: it would run in the agent.")
        if self.huey.is_revoked(kind):
            return Answer(Outcome.FAILED, "Huey drops every task of a kind that is disabled: enable it first.")
        call = (tuple(words.get("args") or ()), dict(words.get("kwargs") or {})) if is_made else ((), {})
        task = kind(*call, id=target.new_task_id())
        self.huey.enqueue(task)
        self.fired(target.name, task.id, name=self.key_of(kind), queue=self.huey.name, asked=True)
        return Answer(Outcome.DONE, new_task_id=task.id)


@dataclass(frozen=True, slots=True)
class _Original:
    """A class of tasks as it was."""

    validate_datetime: Any

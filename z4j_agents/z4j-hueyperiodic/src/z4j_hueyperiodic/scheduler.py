"""Huey's periodic tasks: what its scheduler asks each minute, changed before it asks, and what it sent.

The scheduler is a thread of the consumer, or a process that the consumer forks: what people change is written down and
read by the scheduler before each of its rounds, wherever that runs.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, ClassVar

from huey import Huey
from huey.api import Task
from huey.consumer import Consumer
from z4j_core.patches import Patches
from z4j_core.redaction import Parameters
from z4j_core.safety import guard, guarded
from z4j_core.scheduler import Host
from z4j_core.timetable import Definition, Plan, ScheduleFacts, Skip, Ticking

from z4j_hueyperiodic import fields
from z4j_hueyperiodic.actions import Actions
from z4j_hueyperiodic.pulse import Pulse

_MINUTE = 60_000_000


class HueyPeriodic(Actions):
    name: ClassVar[str] = "hueyperiodic"
    engine: ClassVar[str] = "huey"

    def __init__(self) -> None:
        super().__init__()
        self._patches = Patches()
        self._pulse = Pulse()
        #: What a round is about to send, by the id of the task: its schedule, its due time, whether it will be dropped.
        self._sending: dict[str, tuple[str, int | None, bool]] = {}

    def version(self) -> str:
        return version("huey")

    def install(self, host: Host) -> None:
        if self.host is not None:
            return
        super().install(host)
        self._patches.around(Consumer, "__init__", self._made)
        self._patches.around(Consumer, "run", self._run)
        self._patches.around(Huey, "read_schedule", self._turn)
        self._patches.around(Huey, "read_periodic", self._read)
        self._patches.around(Huey, "enqueue", self._enqueue)

    def uninstall(self) -> None:
        self._patches.undo()
        for kind, validate in self.originals.items():
            kind.validate_datetime = validate
        self.originals.clear()
        self.live = None
        super().uninstall()

    # The life of the consumer.

    def _made(self, original: Callable[..., None], consumer: Consumer, *args: Any, **kwargs: Any) -> None:
        """Before its engine says that it is a worker: by then it is known that there is a scheduler."""
        original(consumer, *args, **kwargs)
        if self.live is None:
            self.live = consumer

    def _run(self, original: Callable[..., Any], consumer: Any) -> Any:
        alone = "create_consumer" not in vars(consumer.huey)  # else the engine's adapter has this instance, and says so
        if alone and self.host is not None and self.is_ours(consumer.huey):
            with guard("hueyperiodic.run"):
                self.host.role("scheduler", f"{consumer.huey.name}@{platform.node()}:{os.getpid()}")
        home = os.getpid()
        try:
            return original(consumer)
        finally:
            if alone and self.host is not None and os.getpid() == home:
                self.host.stop()

    # In the scheduler.

    def _turn(self, original: Callable[..., Any], huey: Huey, *args: Any, **kwargs: Any) -> Any:
        if self.is_ours(huey):
            self._pulse.beat()
        return original(huey, *args, **kwargs)

    def _read(self, original: Callable[..., list[Any]], huey: Huey, timestamp: datetime | None = None) -> list[Any]:
        """What is due. A clock that is read once says the same to Huey and to us."""
        moment = timestamp or huey._get_timestamp()
        if self.is_ours(huey):
            self.apply()
        found = list(original(huey, moment))
        if self.is_ours(huey):
            with guard("hueyperiodic.made"):
                for key, words in self.overrides.all().items():
                    found += self._due(key, words, moment)
            with guard("hueyperiodic.round"):
                for task in found:
                    self._note(huey, task, moment)
        return found

    def _due(self, key: str, words: Mapping[str, Any], moment: datetime) -> Iterable[Task]:
        """The task of a schedule that people made, when it is time."""
        kind = self.kind_of(words)
        if kind is not None and not words.get("off") and fields.parse(words["cron"])[0](moment):
            task = kind(tuple(words.get("args") or ()), dict(words.get("kwargs") or {}))
            self._sending[task.id] = key, self._minute(moment), bool(self.huey.is_revoked(kind))
            yield task

    def _note(self, huey: Huey, task: Task, moment: datetime) -> None:
        if task.id not in self._sending:
            key = self.key_of(type(task))
            due = self._minute(moment) if self.cron_of(key, type(task)) else None
            self._sending[task.id] = key, due, bool(huey.is_revoked(type(task)))

    def _minute(self, moment: datetime) -> int:
        if self.huey.utc:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1_000_000) // _MINUTE * _MINUTE

    def _enqueue(self, original: Callable[..., Any], huey: Huey, task: Any, *args: Any, **kwargs: Any) -> Any:
        key, due, drops = self._sending.pop(getattr(task, "id", ""), ("", None, False))
        result = original(huey, task, *args, **kwargs)
        with guard("hueyperiodic.fired"):
            if key and drops:
                self.skipped(key, due if due is not None else self._minute(huey._get_timestamp()), Skip.DISABLED)
            elif key:
                self.fired(key, task.id, due=due, name=self.key_of(type(task)), queue=huey.name)
        return result

    # What the agent asks.

    def running(self) -> Ticking | None:
        tick = self._pulse.last()
        if self.live is None or not self.live.periodic or not tick:
            return None
        every = round(self.live.scheduler_interval * 1_000_000)
        return Ticking(tick=tick, every=every, host=platform.node(), pid=os.getpid())

    def schedules(self) -> Iterable[tuple[str, ScheduleFacts]]:
        changed = self.overrides.all()
        for key, kind in self.kinds().items():
            words = changed.get(key, {})
            if not words.get("gone") and "task" not in words:
                yield key, self._facts(key, kind, words)
        for key, words in changed.items():
            if "task" in words:
                yield key, self._facts_of_made(words)

    def _facts(self, key: str, kind: type[Task], words: Mapping[str, Any]) -> ScheduleFacts:
        enabled = not self.huey.is_revoked(kind)
        code = self.code_of(kind)
        facts = ScheduleFacts(
            task=key,
            engine=self.engine,
            enabled=enabled,
            definition=Definition.CODE,
            queue=self.huey.name,
            text=words.get("text") or code.text,
            zone=self.zone or "UTC",
            plan=Plan.CRON if ("cron" in words or code.cron) and self.zone else Plan.OTHER,
        )
        if facts["plan"] == Plan.CRON:
            facts["cron"] = words.get("cron") or code.cron
        if facts["text"] != code.text:
            facts["code"] = code.text
        if not enabled:
            why = "Huey drops every task of a kind that is disabled: enable it first."
            facts["cannot"] = {"schedule_run": why}
        return facts

    def _facts_of_made(self, words: Mapping[str, Any]) -> ScheduleFacts:
        assert self.host is not None
        name, kind = str(words["task"]), self.kind_of(words)
        parameters = _parameters(kind)
        call = tuple(words.get("args") or ()), dict(words.get("kwargs") or {})
        args, kwargs, _ = self.host.redactor.of(name, parameters).call(parameters, *call)
        facts = ScheduleFacts(
            task=name,
            engine=self.engine,
            enabled=not words.get("off"),
            definition=Definition.STORE,
            queue=self.huey.name,
            args=args,
            kwargs=kwargs,
            text=words["text"],
            zone=self.zone or "UTC",
            plan=Plan.CRON if self.zone else Plan.OTHER,
        )
        if self.zone:
            facts["cron"] = words["cron"]
        if kind is None:
            facts["cannot"] = {"schedule_run": "This consumer has no task of that name any more."}
        return facts

    @guarded("hueyperiodic.apply")
    def apply(self) -> None:
        """Have each task ask as people have decided. Huey makes a new task of its class for every round."""
        changed = self.overrides.all()
        for key, kind in self.kinds().items():
            words = changed.get(key, {})
            if kind not in self.originals and words:
                self.originals[kind] = kind.validate_datetime
            if words.get("gone") or "task" in words:
                kind.validate_datetime = _never
            elif "cron" in words:
                kind.validate_datetime = _asking(fields.parse(words["cron"])[0])
            elif kind in self.originals:
                kind.validate_datetime = self.originals[kind]


def _never(task: Any, moment: datetime) -> bool:
    return False


def _asking(validator: fields.Validator) -> Callable[[Any, datetime], bool]:
    def validate_datetime(task: Any, moment: datetime) -> bool:
        return bool(validator(moment))

    return validate_datetime


def _parameters(kind: type[Task] | None) -> Parameters:
    """Of what the user wrote, found in the closure of the method that Huey made of it."""
    for cell in getattr(getattr(kind, "execute", None), "__closure__", None) or ():
        if callable(cell.cell_contents):
            return Parameters.of(cell.cell_contents)
    return Parameters()

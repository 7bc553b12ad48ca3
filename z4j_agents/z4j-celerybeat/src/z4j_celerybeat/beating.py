"""What the three schedulers share: beat's loop is followed from within, each firing is told, and a person's is sent."""

from __future__ import annotations

import os
import platform
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, ClassVar, Final, Self, cast

import celery
from celery import schedules
from celery.beat import BeatLazyFunc
from z4j_core.lost import is_lost
from z4j_core.redaction import Parameters
from z4j_core.safety import guard
from z4j_core.scheduler import Answer, Host, Scheduler, Target, micros, verb
from z4j_core.timetable import Definition, ScheduleFacts, Ticking
from z4j_core.wire import Outcome

from z4j_celerybeat import plans
from z4j_celerybeat.asking import IN_CODE, missing
from z4j_celerybeat.plans import Refused

#: Seconds that beat may sleep at most, so that what somebody changes is soon in force. Its own default is 300.
TURN: Final = 5.0
#: Seconds to wait for beat's loop. It is away while it sends.
PATIENCE: Final = 8.0
#: By this header a task knows its schedule.
HEADER: Final = "z4j_schedule"
#: Beat makes this one by itself with each start.
CLEANUP: Final = "celery.backend_cleanup"
_LOST: Final = (
    "The broker was lost over it: nobody can tell whether the task was sent. Look for it before you ask again."
)
_RETRIES: Final = {"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 1}


def loaded(name: str) -> Any:
    """A module that this process has imported already: who has that scheduler has it, and nobody else needs it."""
    return sys.modules[name]


class Here:
    """The beat of this process, once there is one."""

    service: Any = None


here = Here()


class Beating(Scheduler):
    """One per beat. Subclasses say which schedulers they serve, list, and carry out verbs."""

    engine: ClassVar[str] = "celery"
    #: Whether this beat may have to wait for another one to end before its loop turns.
    waits: ClassVar[bool] = False
    _made: ClassVar[Self | None] = None

    def __init__(self, service: Any) -> None:
        self.service = service
        self.scheduler = service.scheduler
        self.app = service.scheduler.app
        #: When each was last sent from here, seconds since the epoch.
        self.sent: dict[str, float] = {}
        self._turned = 0
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()

    @classmethod
    def serves(cls, scheduler: Any) -> bool:
        raise NotImplementedError

    @classmethod
    def find(cls) -> Self | None:
        service = here.service
        if service is None or not cls.serves(service.scheduler):
            return None
        if cls._made is None or cls._made.service is not service:
            cls._made = cls(service)
        return cls._made

    def install(self, host: Host) -> None:
        """Beat's loop has not begun, or is between two turns that see either all of this or nothing."""
        if self.host is not None:
            return
        super().install(host)
        scheduler = self.scheduler
        self._naps = scheduler.max_interval
        scheduler.max_interval = min(self._naps, TURN)
        scheduler.tick = self._tick
        scheduler.apply_async = self._apply

    def uninstall(self) -> None:
        if self.host is None:
            return
        for name in ("tick", "apply_async"):
            del self.scheduler.__dict__[name]
        self.scheduler.max_interval = self._naps
        super().uninstall()

    def begin(self) -> None:
        """Beat starts, in this thread. That of a `worker --beat` starts in a child, which is a beat and no worker."""
        assert self.host is not None
        with guard(f"{self.name}.restore"):
            self.restore()
        if not self.waits:
            self._turned = micros()
        self.host.role("scheduler", f"beat@{platform.node()}")

    def restore(self) -> None:
        """Apply what beat has forgotten since it last ran. In beat's thread, before its first turn."""
        raise NotImplementedError

    def turn(self) -> None:
        """Beat's loop turns: in its thread, before it looks what is due."""
        self._turned = micros()
        with suppress(Empty):
            while True:
                self._calls.get_nowait()()

    def running(self) -> Ticking | None:
        """One that waits for another beat to end has not turned yet."""
        if not self._turned:
            return None
        every = micros(self.scheduler.max_interval)
        return Ticking(tick=self._turned, every=every, host=socket.gethostname(), pid=os.getpid())

    def at_turn(self, call: Callable[[], Answer]) -> Answer:
        """What `call` answers in beat's thread: its entries are shared without locks."""
        told: SimpleQueue[Answer | Exception] = SimpleQueue()

        def run() -> None:
            try:
                told.put(call())
            except Exception as error:
                told.put(error)

        self._calls.put(run)
        try:
            answer = told.get(timeout=PATIENCE)
        except Empty:
            return Answer(Outcome.REQUESTED, "Beat is busy or waits for the broker: it will be done at its next turn.")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _carry_out(self, verb: str, target: Target, params: Mapping[str, Any]) -> Answer:
        try:
            return super()._carry_out(verb, target, params)
        except Refused as refused:
            return Answer(Outcome.FAILED, str(refused))

    # What is sent.

    def entry(self, key: str) -> Any:
        """The entry of a schedule as beat would send it, disabled or not; None where there is none. From any thread."""
        raise NotImplementedError

    @verb(note="sends its task from beat's process, as beat does; its next due time stays")
    def schedule_run(self, target: Target, params: Mapping[str, Any]) -> Answer:
        entry = self.entry(target.name)
        if entry is None:
            return missing()
        if self.app.conf.task_always_eager:
            return Answer(Outcome.UNSUPPORTED, "The setting task_always_eager is on: it would run in beat.")
        task_id = target.new_task_id()
        args = [value() if isinstance(value, BeatLazyFunc) else value for value in entry.args or ()]
        kwargs = {name: v() if isinstance(v, BeatLazyFunc) else v for name, v in (entry.kwargs or {}).items()}
        how = {**_named(entry).options, "task_id": task_id, "retry": True, "retry_policy": _RETRIES}
        task = self.app.tasks.get(entry.task)
        try:
            if task is None:
                self.app.send_task(entry.task, args, kwargs, **how)
            else:
                task.apply_async(args, kwargs, **how)
        except TypeError:
            return Answer(Outcome.FAILED, "The arguments do not fit the task's signature; nothing was sent.")
        except Exception as error:
            if is_lost(error):
                return Answer(Outcome.UNKNOWN, _LOST, task_id)
            raise
        self.fired(target.name, task_id, name=entry.task, queue=str(entry.options.get("queue") or ""), asked=True)
        return Answer(Outcome.DONE, new_task_id=task_id)

    def _tick(self, *args: Any, **kwargs: Any) -> Any:
        with guard(f"{self.name}.turn"):
            self.turn()
        return type(self.scheduler).tick(self.scheduler, *args, **kwargs)

    def _apply(self, entry: Any, *args: Any, **kwargs: Any) -> Any:
        """Beat sends a task: under the name of its schedule, and that is told."""
        told, due = entry, None
        with guard(f"{self.name}.due"):
            told = _named(entry)
            due = self.due(entry)
        result = type(self.scheduler).apply_async(self.scheduler, told, *args, **kwargs)
        with guard(f"{self.name}.fired"):
            if task_id := getattr(result, "id", None):
                self.on_sent(entry.name, str(task_id), entry, due)
        return result

    def on_sent(self, key: str, task_id: str, entry: Any, due: int | None) -> None:
        self.sent[key] = micros() / 1_000_000
        self.fired(key, task_id, due=due, name=entry.task, queue=str(entry.options.get("queue") or ""))

    def due(self, entry: Any) -> int | None:
        """For when this firing was planned. One that has never run is due by nothing but that."""
        due = plans.due_now(entry.schedule, entry.last_run_at)
        return None if due is None else plans.micros(due)

    # What is told.

    def version(self) -> str:
        return str(celery.__version__)

    def zone(self) -> str:
        """The one in which crontabs of this app count, unless they have one of their own."""
        return str(getattr(self.app.timezone, "key", None) or self.app.conf.timezone or "UTC")

    def facts(self, entry: Any, *, enabled: bool, code: bool) -> ScheduleFacts:
        """Of one entry of beat's."""
        if entry.schedule._app is None:
            # Read from a file or a row: it would take the app of this thread, which is not that of beat's.
            entry.schedule.app = self.app
        args, kwargs = self.redacted(entry.task, entry.args, entry.kwargs)
        definition = Definition.CODE if code else Definition.STORE
        told: dict[str, Any] = {"task": entry.task, "engine": self.engine, "enabled": enabled, "definition": definition}
        told |= {"args": args, "kwargs": kwargs, **plans.facts(entry.schedule)}
        if queue := entry.options.get("queue"):
            told["queue"] = str(queue)
        if enabled and (due := plans.due_after(entry.schedule, entry.last_run_at)) is not None:
            told["next"] = plans.micros(due)
        last = self.sent.get(entry.name)
        if last is not None:
            told["last"] = micros(last)
        elif entry.total_run_count and entry.last_run_at is not None:
            told["last"] = plans.micros(entry.last_run_at)
        if code:
            told["cannot"] = {"schedule_delete": IN_CODE}
        return cast(ScheduleFacts, told)

    def differs(self, told: ScheduleFacts, code: Any) -> ScheduleFacts:
        """With the plan that the code has (None: it has none, or nobody knows), where that is another."""
        if code is not None:
            plan = code["schedule"] if isinstance(code, Mapping) else code.schedule
            words = plans.words(schedules.maybe_schedule(plan, app=self.app))
            if words != told["text"]:
                told["code"] = words
        return told

    def redacted(self, name: str, args: Any, kwargs: Any) -> tuple[str, str]:
        assert self.host is not None
        task = self.app.tasks.get(name)
        parameters = Parameters() if task is None else Parameters.of(task.run)
        told, told_too, _ = self.host.redactor.of(name, parameters).call(parameters, args or (), kwargs or {})
        return told, told_too


def _named(entry: Any) -> Any:
    """The entry with its name in the headers of what it sends. The user's own stays as it is.

    Not by `copy`: two of the three cannot be made again in the way that they say.
    """
    named = object.__new__(type(entry))
    vars(named).update(vars(entry))
    options = dict(entry.options or {})
    named.options = {**options, "headers": {**(options.get("headers") or {}), HEADER: entry.name}}
    return named

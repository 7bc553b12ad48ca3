"""taskiq's middleware hooks, turned into events. All of it runs in the loop of the process, and none of it raises.

A message is received when the worker's own `listen` yields it (see `inlet`) and started in `pre_execute`. How it ended
is known in `post_execute`, when the middlewares for retries have decided what comes next, and told once the result is
saved: what is told as ended is never missing in the store.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from taskiq import AsyncBroker, TaskiqMessage, TaskiqMiddleware, TaskiqResult
from taskiq.exceptions import NoResultError, TaskRejectedError
from z4j_core.engine import Host
from z4j_core.redaction import Parameters, Telling
from z4j_core.safety import guarded
from z4j_core.wire import Error, Kind, Reason

from z4j_taskiq.facts import REQUEUES, identity, now, reason, whole, without_nothing

Key = tuple[int, str]


@dataclass(slots=True, eq=False)
class Run:
    """One run of a task in this process."""

    key: Key
    #: The task as its events name it: taskiq counts up the labels of the message before the run has ended.
    event: dict[str, Any]
    started: int
    requeues: int
    #: A thread or a process runs it: cancelling it lets go of it, and cannot stop it.
    detached: bool
    #: The asyncio task in which taskiq runs it; cancelled when somebody asks for it.
    task: asyncio.Task[Any] | None
    outer: Run | None
    cancelled: bool = False
    #: It was sent again before it ended.
    again: bool = False
    raised: BaseException | None = None
    #: How it ended, until that is told.
    end: dict[str, Any] | None = None
    gone: Callable[[asyncio.Task[Any]], None] | None = field(default=None, repr=False)

    @property
    def task_id(self) -> str:
        return str(self.event["task_id"])


class Owner(Protocol):
    """What the hooks need of the engine."""

    broker: AsyncBroker
    host: Host | None

    async def begin(self) -> None: ...
    async def end(self) -> None: ...
    def refuse(self, task_id: str) -> None:
        """Its message, which is on its way again, is not to run."""

    def forget(self, task_id: str) -> None:
        """Nobody waits for its message any more."""


class Hooks(TaskiqMiddleware):
    """Added to the broker by `install`, and taken away by `uninstall`."""

    def __init__(self, engine: Owner) -> None:
        super().__init__()
        self.engine = engine
        self.worker = ""
        #: By the asyncio task and the id: the next attempt may begin before the hooks of the last one are through.
        self.running: dict[Key, Run] = {}
        #: Their function has ended; the result is being saved.
        self.ending: dict[Key, Run] = {}

    # What taskiq calls.

    async def startup(self) -> None:
        await self.engine.begin()

    async def shutdown(self) -> None:
        await self.engine.end()

    def pre_send(self, message: TaskiqMessage) -> TaskiqMessage:
        self._sent(message)
        return message

    def pre_execute(self, message: TaskiqMessage) -> TaskiqMessage:
        """An exception here would leave the message without an end, also in taskiq."""
        self._started(message)
        return message

    def on_error(self, message: TaskiqMessage, result: TaskiqResult[Any], exception: BaseException) -> None:
        if (run := self.running.get(_key(message))) is not None:
            run.raised = exception

    def post_execute(self, message: TaskiqMessage, result: TaskiqResult[Any]) -> None:
        self._ended(message, result)

    def post_save(self, message: TaskiqMessage, result: TaskiqResult[Any]) -> None:
        self._saved(message)

    # What it tells.

    @guarded("taskiq.sent")
    def _sent(self, message: TaskiqMessage) -> None:
        if (run := self.running.get(_key(message))) is not None:
            run.again = True
            if run.cancelled:
                self.engine.refuse(message.task_id)
                return
        self.emit(Kind.TASK_ENQUEUED, message, **self.arguments(message))

    @guarded("taskiq.received")
    def received(self, message: TaskiqMessage, raw: bytes) -> None:
        """A worker of this process has it. One that taskiq will drop, for want of a function, ends here."""
        event = {"worker": self.worker, "vault": self._host.keep(message.task_id, raw), **self.arguments(message)}
        self.emit(Kind.TASK_RECEIVED, message, **event)
        if self.engine.broker.find_task(message.task_name) is None:
            error = Error(type="UnknownTask", message="This worker has no such task.", reason=Reason.UNKNOWN_TASK)
            self.emit(Kind.TASK_FAILED, message, worker=self.worker, run=now(), error=error)

    def dropped(self, message: TaskiqMessage, raw: bytes) -> None:
        """It was cancelled before it could run."""
        vault = self._host.keep(message.task_id, raw)
        self.emit(Kind.TASK_CANCELLED, message, vault=vault, **self.arguments(message))

    @guarded("taskiq.started")
    def _started(self, message: TaskiqMessage) -> None:
        started = now()
        task = self.engine.broker.find_task(message.task_name)
        key = _key(message)
        run = Run(
            key=key,
            event=without_nothing({**identity(self.engine.broker, message), "worker": self.worker, "run": started}),
            started=started,
            requeues=whole(message.labels.get(REQUEUES)) or 0,
            detached=task is not None and not inspect.iscoroutinefunction(task.original_func),
            task=asyncio.current_task(),
            outer=self.running.get(key),
        )
        self.running[key] = run
        if run.task is not None:
            run.gone = functools.partial(self._gone, run)
            run.task.add_done_callback(run.gone)
        self._host.emit({"kind": Kind.TASK_STARTED, **run.event, "ts": started})

    @guarded("taskiq.ended")
    def _ended(self, message: TaskiqMessage, result: TaskiqResult[Any]) -> None:
        run = self.running.get(_key(message))
        if run is None:
            return
        self._leave(run)
        kind = _kind(run, message, result)
        if run.cancelled and not run.again:  # otherwise it was refused as it was sent, and may have been dropped by now
            is_to_come = isinstance(result.error, NoResultError)
            self.engine.refuse(run.task_id) if is_to_come else self.engine.forget(run.task_id)
        more: dict[str, Any] = {"runtime_ms": (now() - run.started) / 1000}
        if kind is Kind.TASK_SUCCEEDED:
            more["result"], was_cut = self.redactor(message.task_name).value(result.return_value)
            more["truncated"] = ["result"] if was_cut else []
        elif run.raised is not None and kind in (Kind.TASK_FAILED, Kind.TASK_RETRYING):
            more["error"] = self.redactor(message.task_name).error(
                run.raised, reason(message.labels, now() - run.started, run.raised)
            )
        run.end = {"kind": kind, **more}
        self.ending[run.key] = run
        if isinstance(result.error, NoResultError):  # then nothing is saved
            self._saved(message)

    @guarded("taskiq.saved")
    def _saved(self, message: TaskiqMessage) -> None:
        run = self.ending.get(_key(message))
        if run is not None:
            self._finish(run)

    @guarded("taskiq.gone")
    def _gone(self, run: Run, task: asyncio.Task[Any]) -> None:
        """taskiq's callback has ended. Without a word when another middleware raised, when it was cancelled outside the
        function, or when the result could not be saved.
        """
        if self.running.get(run.key) is run:
            self._leave(run)
            error = Error(type="CallbackFailed", message="It ended outside its function.", reason=Reason.EXCEPTION)
            failed = {"kind": Kind.TASK_FAILED, "error": error}
            run.end = {"kind": Kind.TASK_CANCELLED} if task.cancelled() else failed
        if run.end is not None:
            self._finish(run)

    def _leave(self, run: Run) -> None:
        if run.outer is not None:
            self.running[run.key] = run.outer
        else:
            del self.running[run.key]

    def _finish(self, run: Run) -> None:
        end, run.end = run.end, None
        if self.ending.get(run.key) is run:
            del self.ending[run.key]
        if run.task is not None and run.gone is not None:
            run.task.remove_done_callback(run.gone)
        self._host.emit(without_nothing({**run.event, **(end or {})}))

    def runs_of(self, task_id: str) -> list[Run]:
        return [run for run in list(self.running.values()) if run.task_id == task_id]

    def is_ending(self, task_id: str) -> bool:
        return any(run.task_id == task_id for run in list(self.ending.values()))

    def emit(self, kind: Kind, message: TaskiqMessage, **more: Any) -> None:
        self._host.emit(without_nothing({"kind": kind, **identity(self.engine.broker, message), **more}))

    def arguments(self, message: TaskiqMessage) -> dict[str, Any]:
        """Redacted. Those of a task that this process does not know are told by their shape."""
        name = message.task_name
        told = self.redactor(name).call(self._known(name), message.args, message.kwargs)
        return dict(zip(("args", "kwargs", "truncated"), told, strict=True))

    def redactor(self, name: str) -> Telling:
        return self._host.redactor.of(name, self._known(name))

    def _known(self, name: str) -> Parameters:
        task = self.engine.broker.find_task(name)
        return Parameters.of(task.original_func) if task is not None else Parameters()

    @property
    def _host(self) -> Host:
        if self.engine.host is None:
            raise LookupError("the hooks are not installed")
        return self.engine.host


def _key(message: TaskiqMessage) -> Key:
    """Of the run to which a hook belongs: taskiq calls all of them in one asyncio task."""
    return id(asyncio.current_task()), message.task_id


def _kind(run: Run, message: TaskiqMessage, result: TaskiqResult[Any]) -> Kind:
    raised = run.raised
    if raised is None:
        return Kind.TASK_SUCCEEDED
    again = run.again or (whole(message.labels.get(REQUEUES)) or 0) > run.requeues
    again = again or (isinstance(result.error, NoResultError) and not isinstance(raised, NoResultError))
    if isinstance(raised, asyncio.CancelledError) and (run.cancelled or not again):
        return Kind.TASK_CANCELLED
    if again:
        return Kind.TASK_RETRYING
    if isinstance(raised, TaskRejectedError):
        return Kind.TASK_REJECTED
    return Kind.TASK_SKIPPED if isinstance(raised, NoResultError) else Kind.TASK_FAILED

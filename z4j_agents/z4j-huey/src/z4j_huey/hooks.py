"""Huey's signals and its hook after a run, turned into events.

Only the hook knows what a task returned or raised; only the signals know what never came to run. A failed attempt is
told when Huey has decided what comes next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from huey import Huey, signals
from huey.api import Task
from huey.exceptions import CancelExecution, RetryTask, TaskLockedException
from z4j_core.engine import Host
from z4j_core.redaction import Parameters, Telling
from z4j_core.safety import guarded
from z4j_core.wire import Error, Kind, Reason

from z4j_huey.facts import count_attempt, forget_attempt, identity, micros, name_of, now, without_nothing
from z4j_huey.turns import Turns

try:
    from huey.exceptions import RateLimitExceeded, TaskTimeout
except ImportError:  # before Huey 3: never raised there

    class RateLimitExceeded(Exception):  # type: ignore[no-redef]
        """A task may not run now because too many of its kind did."""

    class TaskTimeout(Exception):  # type: ignore[no-redef]
        """A task ran longer than its limit."""


_SKIPS = (TaskLockedException, RateLimitExceeded)


class Hooks:
    """`running`: what this process works on, with the thread that does."""

    def __init__(self, huey: Huey, host: Host) -> None:
        self.huey = huey
        self.host = host
        self.worker = ""
        self.running: dict[str, dict[str, Any]] = {}
        self.turns = Turns(self.running)
        self.on_start: Callable[[Mapping[str, Any]], None] = lambda run: None
        self.on_end: Callable[[], None] = lambda: None
        self._errors: dict[str, Error] = {}

    @guarded("huey.signal")
    def signal(self, name: str, task: Task, error: BaseException | None = None) -> None:
        told = _TOLD.get(name)
        if told is not None:
            told(self, task)

    @guarded("huey.post_execute")
    def after(self, task: Task, value: Any, error: BaseException | None) -> None:
        run = self.running.pop(task.id, {}).get("started") or now()
        self.on_end()
        ended = {"run": run, "runtime_ms": (now() - run) / 1000}
        if error is None:
            result, was_cut = self.redactor(task).value(value)
            self.emit(Kind.TASK_SUCCEEDED, task, **ended, result=result, truncated=["result"] if was_cut else [])
        elif task.retries:
            self._errors[task.id] = self._told(task, error)
            self.running[task.id] = {"started": run}
            return
        elif isinstance(error, CancelExecution):
            self.emit(Kind.TASK_CANCELLED, task, **ended)
        elif isinstance(error, _SKIPS):
            self.emit(Kind.TASK_SKIPPED, task, **ended)
        else:
            self.emit(Kind.TASK_FAILED, task, **ended, error=self._told(task, error))
        forget_attempt(self.huey, task)

    def enqueued(self, task: Task) -> None:
        due = micros(self.huey, task.eta)
        vault = self.host.keep(task.id, self.huey.serialize_task(task))
        self.emit(Kind.TASK_ENQUEUED, task, eta=due, vault=vault, **self.arguments(task))

    def scheduled(self, task: Task) -> None:
        self.emit(Kind.TASK_ENQUEUED, task, eta=micros(self.huey, task.eta))

    def executing(self, task: Task) -> None:
        facts = identity(self.huey, task)
        run = now()
        self.running[task.id] = known = {
            "task_id": task.id,
            "name": name_of(task),
            "started": run,
            "thread": threading.get_ident(),
        }
        self.turns.watch(task, known)
        vault = self.host.keep(task.id, self.huey.serialize_task(task)) if not facts["attempt"] else ""
        event = {"kind": Kind.TASK_STARTED, **facts, "worker": self.worker, "ts": run, "run": run, "vault": vault}
        self.host.emit(without_nothing(event | self.arguments(task)))
        self.on_start(known)

    def retrying(self, task: Task) -> None:
        facts = identity(self.huey, task)
        run = self.running.pop(task.id, {}).get("started")
        due = now() + round(task.retry_delay * 1_000_000) if task.retry_delay else None
        event = {"kind": Kind.TASK_RETRYING, **facts, "worker": self.worker, "run": run, "eta": due}
        self.host.emit(without_nothing({**event, "error": self._errors.pop(task.id, None)}))
        count_attempt(self.huey, task, facts["attempt"] + 1)

    def revoked(self, task: Task) -> None:
        self.emit(Kind.TASK_CANCELLED, task)

    def canceled(self, task: Task) -> None:
        """By a hook before it ran. One that is cancelled as it runs is told by the hook after the run."""
        if task.id not in self.running:
            self.emit(Kind.TASK_CANCELLED, task)

    def expired(self, task: Task) -> None:
        self.emit(Kind.TASK_EXPIRED, task, **self.arguments(task))

    def interrupted(self, task: Task) -> None:
        run = self.running.pop(task.id, {}).get("started")
        self.on_end()
        error = Error(type="Interrupted", message="The consumer was shut down.", reason=Reason.WORKER_LOST)
        self.emit(Kind.TASK_FAILED, task, run=run, error=error)

    def emit(self, kind: Kind, task: Task, **more: Any) -> None:
        worker = "" if kind is Kind.TASK_ENQUEUED else self.worker
        self.host.emit(without_nothing({"kind": kind, **identity(self.huey, task), "worker": worker, **more}))

    def arguments(self, task: Task) -> dict[str, Any]:
        told = self.redactor(task).call(_parameters(type(task)), tuple(task.args), dict(task.kwargs))
        return dict(zip(("args", "kwargs", "truncated"), told, strict=True))

    def redactor(self, task: Task) -> Telling:
        return self.host.redactor.of(name_of(task), _parameters(type(task)))

    def _told(self, task: Task, error: BaseException) -> Error:
        if isinstance(error, RetryTask):
            return Error(type="RetryTask", message="The task asked for another try.", reason=Reason.EXCEPTION)
        reason = Reason.TIMEOUT if isinstance(error, TaskTimeout) else Reason.EXCEPTION
        return self.redactor(task).error(error, reason)


def _parameters(kind: type[Task]) -> Parameters:
    function = function_of(kind)
    return Parameters.of(function) if callable(function) else Parameters()


def function_of(kind: type[Task]) -> Any:
    """What the user wrote, found in the closure of the method that Huey made of it."""
    if wrapped := getattr(kind.execute, "__wrapped__", None):
        return wrapped
    closure = getattr(kind.execute, "__closure__", None) or ()
    found = [cell.cell_contents for cell in closure if callable(cell.cell_contents)]
    return found[0] if found else None


_TOLD: dict[str, Callable[[Hooks, Task], None]] = {
    signals.SIGNAL_ENQUEUED: Hooks.enqueued,
    signals.SIGNAL_SCHEDULED: Hooks.scheduled,
    signals.SIGNAL_EXECUTING: Hooks.executing,
    signals.SIGNAL_RETRYING: Hooks.retrying,
    signals.SIGNAL_REVOKED: Hooks.revoked,
    signals.SIGNAL_CANCELED: Hooks.canceled,
    signals.SIGNAL_EXPIRED: Hooks.expired,
    signals.SIGNAL_INTERRUPTED: Hooks.interrupted,
}

"""Celery's signals, turned into events.

Three kinds of process send them. A *producer* publishes. A worker's *main* process (P) receives, and ends tasks from
outside: revoked, expired, hard time limit, lost child. Its *children* (C) run tasks; with threads or solo they are P.
An end that P reports carries a run of its own, so that it stands after the `started` its child may have reported.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from celery import _state, current_app, signals
from celery.exceptions import Reject
from z4j_core.engine import Host
from z4j_core.redaction import Parameters, Telling
from z4j_core.safety import guard, guarded
from z4j_core.wire import Error, Kind, Reason

from z4j_celery import originals
from z4j_celery.facts import delivery, engine_error, identity, micros, now, reason, without_nothing

_SILENT_ENDS: Final = {"IGNORED": Kind.TASK_SKIPPED, "REJECTED": Kind.TASK_REJECTED}


class Hooks:
    """What is connected while the adapter is installed. One signal, one method of the same name."""

    def __init__(self, host: Host) -> None:
        self.host = host
        #: In C, each task that runs now, as the event that told of its start.
        self.runs: dict[str, dict[str, Any]] = {}
        #: In P, the requests it received, for as long as Celery itself keeps them.
        self.requests: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
        self._ended: weakref.WeakSet[Any] = weakref.WeakSet()
        self._parameters: dict[str, Parameters] = {}
        self._publishing = threading.local()
        #: Seconds that a task had to wait for its time when it was received, at most.
        self.longest_wait = 0.0

    def connect(self) -> None:
        for signal, handler, uid in self._connections():
            signal.connect(handler, weak=False, dispatch_uid=uid)

    def disconnect(self) -> None:
        for signal, _, uid in self._connections():
            signal.disconnect(dispatch_uid=uid)

    def _connections(self) -> Iterator[tuple[Any, Callable[..., None], str]]:
        for name, method in vars(Hooks).items():
            signal = getattr(signals, name, None)
            if signal is not None and not name.startswith("_"):
                handler = guarded(f"celery.{name}")(method.__get__(self))
                yield signal, handler, f"z4j.events.{name}"

    # The producer.

    def before_task_publish(self, headers: Any = None, properties: Any = None, declare: Any = None, **_: Any) -> None:
        """Priority and queue are told here only; that the broker has the message, only by `after_task_publish`."""
        self._publishing.facts = {
            "ts": now(),
            "priority": (properties or {}).get("priority"),
            "queue": getattr(declare[0], "name", None) if declare else None,
        }

    def after_task_publish(
        self, sender: Any = None, headers: Any = None, body: Any = None, routing_key: str = "", **_: Any
    ) -> None:
        if not headers or "id" not in headers:
            return
        before = getattr(self._publishing, "facts", {})
        known = {name: value for name, value in before.items() if value is not None}
        event = {"kind": Kind.TASK_ENQUEUED, "name": sender, "queue": routing_key, **identity(headers), **known}
        if isinstance(body, tuple) and len(body) > 1:
            event |= self.arguments(sender, body[0], body[1])
        self._emit(event)

    # The worker's main process.

    def task_received(self, request: Any = None, **_: Any) -> None:
        self.requests[request.id] = request
        facts = request.request_dict
        if request.eta is not None:
            self.longest_wait = max(self.longest_wait, ((micros(request.eta) or 0) - now()) / 1_000_000)
        vault = self._keep(request.id, request.message, request.body, facts)
        self._emit(
            {
                "kind": Kind.TASK_RECEIVED,
                "name": facts["task"],
                "worker": request.hostname,
                **identity(facts),
                **delivery(facts),
                **self.arguments(facts["task"], request.args, request.kwargs),
                "vault": vault,
            }
        )

    def task_unknown(self, sender: Any = None, message: Any = None, name: str = "", id: str = "", **_: Any) -> None:
        headers = message.headers
        vault = self._keep(id, message, message.body, headers)
        error = Error(type="NotRegistered", message=f"No task is called {name!r} here.", reason=Reason.UNKNOWN_TASK)
        event = {"kind": Kind.TASK_FAILED, "name": name, "worker": sender.hostname, "error": error, "vault": vault}
        self._emit({**event, **identity({**headers, "id": id}), **delivery({"delivery_info": message.delivery_info})})

    def task_revoked(
        self, sender: Any = None, request: Any = None, terminated: bool = False, expired: bool = False, **_: Any
    ) -> None:
        kind = Kind.TASK_EXPIRED if expired and not terminated else Kind.TASK_CANCELLED
        run = now() if terminated else None
        self._emit({"kind": kind, **self._of(sender, request), "run": run})
        self.host.state.delete(f"celery.revoke.{request.id}")

    # The children, or whoever runs tasks.

    def task_prerun(self, task: Any = None, task_id: str = "", **_: Any) -> None:
        request = task.request
        if request.is_eager:
            return
        run = now()
        self.runs[task_id] = event = {**self._of(task, request), "run": run}
        self._emit({"kind": Kind.TASK_STARTED, **event, "ts": run})

    def task_success(self, sender: Any = None, result: Any = None, runtime: float | None = None, **_: Any) -> None:
        event = self._running(sender)
        if event is None:
            return
        event["result"], was_cut = self.redactor(sender.name).value(result)
        if runtime is not None:
            event["runtime_ms"] = round(runtime * 1000, 3)
        self._emit({"kind": Kind.TASK_SUCCEEDED, **event, "truncated": ["result"] if was_cut else []})

    def task_retry(self, sender: Any = None, request: Any = None, reason: Any = None, **_: Any) -> None:
        if request.is_eager:
            return
        # Without a run here it is P that tries again what its child left behind.
        known = self.runs.get(request.id) or {**self._of(sender, request), "run": now()}
        event = {"kind": Kind.TASK_RETRYING, **known}
        event["eta"] = micros(getattr(reason, "when", None))
        event["max_attempts"] = None if sender.max_retries is None else sender.max_retries + 1
        if getattr(reason, "exc", None) is not None:
            event["error"] = self._error(sender.name, reason.exc)
        self._emit(event)

    def task_failure(self, sender: Any = None, task_id: str = "", exception: Any = None, **_: Any) -> None:
        event = self._running(sender) or self._ended_outside(sender, task_id)
        # A rejected task is reported by its child; Celery then calls it failed in P.
        if event is not None and not isinstance(exception, Reject):
            self._emit({"kind": Kind.TASK_FAILED, **event, "error": self._error(sender.name, exception)})

    def task_postrun(self, task: Any = None, task_id: str = "", state: str | None = None, **_: Any) -> None:
        """Two ends have no signal of their own. State None is a child being killed: P will tell."""
        kind = _SILENT_ENDS.get(state or "")
        if kind is not None and (event := self._running(task)) is not None:
            self._emit({"kind": kind, **event})
        self.runs.pop(task_id, None)

    # Processes.

    def worker_process_shutdown(self, **_: Any) -> None:
        self.host.flush()

    def worker_shutdown(self, **_: Any) -> None:
        self.host.stop()

    def _emit(self, event: Mapping[str, Any]) -> None:
        self.host.emit(without_nothing(event))

    def _keep(self, task_id: str, message: Any, body: Any, facts: Mapping[str, Any]) -> str:
        """Messages of Celery's first protocol carry their id in the body, which is not ours to read."""
        with guard("celery.keep"):
            if len(body) <= originals.LARGEST and "id" in message.headers:
                return self.host.keep(task_id, originals.pack(message, body, facts))
        return ""

    def _running(self, task: Any) -> dict[str, Any] | None:
        """The task that this thread runs, as an event. None when it runs none, or eagerly."""
        known = self.runs.get(task.request.id)
        return None if known is None else {**known, "runtime_ms": (now() - known["run"]) / 1000}

    def _ended_outside(self, task: Any, task_id: str) -> dict[str, Any] | None:
        """A task that P ends. Celery tells of a hard time limit twice: None the second time."""
        request = self.requests.get(task_id)
        if request is None or request in self._ended:
            return None
        self._ended.add(request)
        run = now() if request.time_start else None
        return {**self._of(task, request.request_dict), "run": run}

    def _of(self, task: Any, request: Any) -> dict[str, Any]:
        facts: Mapping[str, Any] = request if isinstance(request, dict) else vars(request)
        return {"name": task.name, "worker": facts.get("hostname"), **identity(facts), **delivery(facts)}

    def _error(self, name: str, error: BaseException) -> Error:
        return engine_error(error) or self.redactor(name).error(error, reason(error))

    def redactor(self, name: str) -> Telling:
        return self.host.redactor.of(name, self._signature(name))

    def arguments(self, name: str, args: Any, kwargs: Any) -> dict[str, Any]:
        told, told_too, truncated = self.redactor(name).call(self._signature(name), args or (), kwargs or {})
        return {"args": told, "kwargs": told_too, "truncated": truncated}

    def _signature(self, name: str) -> Parameters:
        """The names of a task's positional arguments. A task that is not known here has none: shapes only."""
        known = self._parameters.get(name)
        if known is not None:
            return known
        task = None
        with suppress(AttributeError, RuntimeError):
            # The registry as it is: asking the app for `tasks` would import what is still to be loaded. In a thread
            # of a web server the current app is Celery's own, empty one, whatever the main thread has made.
            apps = (current_app, *_state._get_active_apps())
            task = next((found for app in apps if (found := app._tasks.get(name)) is not None), None)
        if task is None:
            return Parameters()
        self._parameters[name] = found = Parameters.of(task.run)
        return found

"""z4j's adapter for Django's own tasks: `django.tasks`, or the backport `django_tasks` before Django 6.

A project lists `z4j_django` in INSTALLED_APPS. All tasks are seen; what `django_tasks_db` keeps can be acted on too.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, ClassVar, Final, cast
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db.models import Count, Min, Q
from django.utils import timezone
from z4j_core.engine import Advice, Answer, Engine, Host, Target, emulated, verb
from z4j_core.redaction import Parameters, Telling
from z4j_core.safety import guard, guarded
from z4j_core.wire import Kind, Outcome, QueueFacts, Reason, Source

from z4j_djangotasks import rows

ENGINE: Final = "djangotasks"
WORKER: Final = "db_worker"
LIBRARY: Final = "django.tasks" if importlib.util.find_spec("django.tasks") else "django_tasks"
_ENDS: Final = {"SUCCESSFUL": Kind.TASK_SUCCEEDED, "FAILED": Kind.TASK_FAILED}
_ADVICE: Final = {
    "ImmediateBackend": (
        "The backend {} runs each task inside the request that enqueues it.",
        'Choose a backend with a worker, such as "django_tasks_db.DatabaseBackend".',
    ),
    "DatabaseBackend": (
        "The backend {} keeps the row of every finished task, with its arguments, for ever.",
        "Run `manage.py prune_db_task_results` each day.",
    ),
}
_NOTHING: Final[dict[str, Any]] = {"args": [], "kwargs": {}}


def __getattr__(name: str) -> Any:
    # `hello`, the task of ours; made when asked for, since making a task takes Django's settings.
    if name != "hello":
        raise AttributeError(name)
    greet = lambda: "hello"  # noqa: E731 (a name of its own, which is where it is found again)
    greet.__name__ = greet.__qualname__ = name
    return importlib.import_module(LIBRARY).task(greet)


class DjangoTasksEngine(Engine):
    name: ClassVar[str] = ENGINE
    host: Any = None
    lacks: ClassVar[Mapping[str, str]] = {
        "run": "Not offered: send it from the project's own code, or retry one of that name with other arguments.",
        "requeue": "Django's tasks have no dead letters: a failed one is kept and can be retried.",
        **dict.fromkeys(("move", "purge"), "Not offered: cancel the waiting tasks instead."),
        **dict.fromkeys(("pause", "resume"), "A worker takes no orders; start and stop workers instead."),
        **dict.fromkeys(("grow", "shrink", "autoscale"), "A worker runs one task at a time; start and stop workers."),
        "restart_pool": "The worker has no pool: it runs tasks itself.",
        "restart": "The worker can only end; what starts it again is its supervisor. Use stop.",
        **dict.fromkeys(("rate_limit", "time_limit"), "Django's tasks have no limits."),
    }

    def __init__(self) -> None:
        self._running: dict[str, dict[str, Any]] = {}
        self._worker = f"{socket.gethostname()}:{os.getpid()}"
        self._started = time.time_ns() // 1000

    @classmethod
    def find(cls) -> DjangoTasksEngine | None:
        return cls() if settings.configured and getattr(settings, "TASKS", None) else None

    def version(self) -> str:
        return version("Django" if LIBRARY == "django.tasks" else "django-tasks")

    def install(self, host: Host) -> None:
        if self.host is None:
            super().install(host)
            for name, told in _signals():
                told.connect(getattr(self, f"_{name}"), weak=False, dispatch_uid="z4j")
            if WORKER in sys.argv:
                atexit.register(host.stop)
                host.role("worker", self._worker)

    def uninstall(self) -> None:
        if self.host is not None:
            atexit.unregister(self.host.stop)
            for _, told in _signals():
                told.disconnect(dispatch_uid="z4j")
            super().uninstall()

    @verb()
    def worker(self) -> dict[str, Any] | None:
        if WORKER not in sys.argv:
            return None
        words = [part for word in sys.argv for part in word.split("=", 1)]
        queues = words[words.index("--queue-name") + 1].split(",") if "--queue-name" in words else ["default"]
        facts = {"name": self._worker, "host": socket.gethostname(), "pid": os.getpid(), "version": self.version()}
        facts |= {"queues": queues, "concurrency": {"kind": "process", "size": 1}}
        return facts | {"running": list(self._running.values()), "started": self._started}

    @guarded("djangotasks.enqueued")
    def _task_enqueued(self, task_result: Any = None, **_: Any) -> None:
        due = rows.micros(task_result.task.run_after)
        self._emit(Kind.TASK_ENQUEUED, task_result, eta=due, **self._arguments(task_result))

    @guarded("djangotasks.started")
    def _task_started(self, task_result: Any = None, **_: Any) -> None:
        task_id, run = str(task_result.id), (time.time_ns() // 1000)
        self._running[task_id] = {"task_id": task_id, "name": task_result.task.module_path, "started": run}
        self._emit(Kind.TASK_STARTED, task_result, ts=run, run=run, worker=self._worker, **self._arguments(task_result))

    @guarded("djangotasks.finished")
    def _task_finished(self, task_result: Any = None, **_: Any) -> None:
        kind = _ENDS[str(task_result.status)]
        run = self._running.pop(str(task_result.id), {}).get("started") or rows.micros(task_result.started_at)
        took = (time.time_ns() // 1000 - run) / 1000 if run else None
        end: dict[str, Any] = {"run": run, "worker": self._worker, "runtime_ms": took}
        if kind is Kind.TASK_SUCCEEDED:
            end["result"], was_cut = self._redactor(task_result).value(task_result.return_value)
            end["truncated"] = ["result"] if was_cut else []
        else:
            # Told while the exception is being handled.
            error = sys.exc_info()[1]
            told = self._redactor(task_result)
            end["error"] = told.error(error, Reason.EXCEPTION) if error else rows.error(task_result)
        self._emit(kind, task_result, **end)

    def _emit(self, kind: Kind, task_result: Any, **more: Any) -> None:
        self.host.emit(self._event(kind, task_result, **more))

    def _event(self, kind: Kind, task_result: Any, **more: Any) -> dict[str, Any]:
        task = task_result.task
        event = {"kind": kind, "engine": ENGINE, "task_id": str(task_result.id), "name": task.module_path, "attempt": 0}
        event |= {"queue": task.queue_name, "priority": task.priority, "max_attempts": 1, **more}
        return {name: value for name, value in event.items() if value not in (None, "", [])}

    def _arguments(self, task_result: Any) -> dict[str, Any]:
        parameters = Parameters.of(task_result.task.func)
        told = self._redactor(task_result).call(parameters, tuple(task_result.args), dict(task_result.kwargs))
        return dict(zip(("args", "kwargs", "truncated"), told, strict=True))

    def _redactor(self, task_result: Any) -> Telling:
        host: Host = self.host
        return host.redactor.of(task_result.task.module_path, Parameters.of(task_result.task.func))

    def obstacle(self, verb: str) -> str:
        if verb in ("worker", "advice", *self.lacks):
            return self.lacks.get(verb, "")
        if verb == "stop":
            return "" if WORKER in sys.argv else "This process is not a worker."
        return "" if apps.is_installed("django_tasks_db") else "Only tasks that a database keeps can be reached."

    @rows.closing
    def landed(self, target: Target) -> bool:
        """Its row is there from the moment it is sent, for days."""
        return rows.row(target.new_task_id()) is not None

    @emulated(note="enqueues a new task with the arguments of the row in the database")
    @rows.closing
    def retry(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._again(target, None)

    @emulated(note="enqueues a new task of the same name with other arguments")
    @rows.closing
    def retry_with(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._again(target, {"args": params.get("args", []), "kwargs": params.get("kwargs", {})})

    @emulated(note="a waiting task only: its row is deleted; a running one cannot be stopped")
    @rows.closing
    def cancel(self, target: Target, params: Mapping[str, Any]) -> Answer:
        row = rows.row(target.task_id)
        if row is None or row.status in _ENDS:
            return Answer(Outcome.ALREADY_FINAL, "It has ended, or its row is gone.")
        if not rows.rows().filter(pk=row.pk, status="READY").delete()[0]:
            return Answer(Outcome.UNSUPPORTED, "It runs already, and Django's tasks cannot be stopped.")
        self._emit(Kind.TASK_CANCELLED, row.task_result, source=Source.ACTION)
        return Answer(Outcome.DONE, "Its row was deleted; it will not run.")

    @verb(note="the worker ends after its task; coming back is its supervisor's business")
    def stop(self, target: Target, params: Mapping[str, Any]) -> Answer:
        # A worker that waits for tasks ends at once: not before this answer is on its way.
        leaving = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
        leaving.daemon = True
        leaving.start()
        return Answer(Outcome.REQUESTED, "It ends when its task is done.")

    @verb(note="enqueues a task of ours in the database")
    @rows.closing
    def hello(self, target: Target, params: Mapping[str, Any]) -> Answer:
        kept = (name for name, one in settings.TASKS.items() if one.get("BACKEND", "").endswith(".DatabaseBackend"))
        like = {"task_path": f"{__name__}.hello", "backend_name": next(kept, "default")}
        return self._enqueue(target, like | {"queue_name": params.get("queue") or "default", "args_kwargs": _NOTHING})

    def _again(self, target: Target, given: dict[str, Any] | None) -> Answer:
        row = rows.row(target.task_id)
        if row is None:
            return Answer(Outcome.ARGS_UNAVAILABLE, "The task's row is no longer in the database.")
        like = {name: getattr(row, name) for name in ("task_path", "backend_name", "queue_name", "priority")}
        return self._enqueue(target, like | {"args_kwargs": given or row.args_kwargs}, retry_of=target.task_id)

    def _enqueue(self, target: Target, like: dict[str, Any], retry_of: str = "") -> Answer:
        """A row of our own making, so that its id is the same each time the command is delivered."""
        task_id = target.new_task_id()
        row, made = rows.rows().get_or_create(id=UUID(task_id), defaults={**like, "run_after": None})
        if made:
            told = row.task_result
            self._emit(Kind.TASK_ENQUEUED, told, **self._arguments(told), retry_of=retry_of, source=Source.ACTION)
        return Answer(Outcome.DONE, new_task_id=task_id)

    @verb(note="counts the rows in the database")
    @rows.closing
    def queues(self) -> Iterable[QueueFacts]:
        ready, due = Q(status="READY"), ~Q(run_after__gt=timezone.now(), run_after__lt=rows.at_once())
        counted = rows.rows().filter(status__in=("READY", "RUNNING")).order_by().values("queue_name").annotate(
            depth=Count("pk", filter=ready & due),
            delayed=Count("pk", filter=ready & ~due),
            in_flight=Count("pk", filter=~ready),
            oldest=Min("enqueued_at", filter=ready & due),
        )  # fmt: skip
        named = {queue for one in settings.TASKS.values() for queue in one.get("QUEUES", ["default"])}
        empty = {"depth": 0, "delayed": 0, "in_flight": 0, "oldest": None}
        for queue, row in (dict.fromkeys(named, empty) | {row.pop("queue_name"): row for row in counted}).items():
            facts = {"name": queue, "exact": True, **row, "oldest": rows.micros(row["oldest"])}
            yield cast(QueueFacts, {name: value for name, value in facts.items() if value is not None})

    @verb(note="reads the rows in the database")
    @rows.closing
    def peek(self, queue: str, limit: int) -> Iterable[Mapping[str, Any]]:
        for row in rows.rows().filter(status="READY", queue_name=queue).order_by("enqueued_at")[:limit]:
            with guard("djangotasks.peek"):
                yield self._told(row, Kind.TASK_ENQUEUED)

    @verb(note="reads the rows in the database; one that says RUNNING proves nothing")
    @rows.closing
    def lookup(self, targets: Sequence[Target]) -> Iterable[Mapping[str, Any]]:
        for row in filter(None, (rows.row(target.task_id) for target in targets)):
            kind = Kind.TASK_ENQUEUED if row.status == "READY" else _ENDS.get(row.status)
            with guard("djangotasks.lookup"):
                if kind is not None:
                    yield self._told(row, kind)

    def _told(self, row: Any, kind: Kind) -> dict[str, Any]:
        told = row.task_result
        more: dict[str, Any] = {
            "ts": rows.micros(row.finished_at or row.enqueued_at),
            "eta": rows.micros(row.run_after),
        }
        if kind is Kind.TASK_SUCCEEDED:
            more["result"] = self._redactor(told).value(row.return_value)[0]
        elif kind is Kind.TASK_FAILED:
            more["error"] = rows.error(told)
        return self._event(kind, told, **self._arguments(told), **more, source=Source.RECONCILE)

    @verb(note="reads TASKS in the settings")
    def advice(self) -> Iterable[Advice]:
        for alias, one in settings.TASKS.items():
            backend = str(one.get("BACKEND", "")).rpartition(".")[2]
            if backend in _ADVICE:
                yield Advice(backend, _ADVICE[backend][0].format(alias), _ADVICE[backend][1])


def _signals() -> Iterable[tuple[str, Any]]:
    module = importlib.import_module(f"{LIBRARY}.signals")
    return [(name, getattr(module, name)) for name in ("task_enqueued", "task_started", "task_finished")]

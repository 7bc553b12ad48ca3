"""RQ as an engine: what is watched, and what runs here."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any, ClassVar

import rq
from rq.job import Job
from z4j_core.engine import Host, verb
from z4j_core.safety import guard, guarded

from z4j_rq import functions
from z4j_rq.actions import PAUSE, Actions
from z4j_rq.bodies import name_of
from z4j_rq.facts import ENGINE, now
from z4j_rq.functions import Functions
from z4j_rq.hooks import Hooks
from z4j_rq.queues import Queues

#: RQ's method through which every job enters a queue. Before 2.7 it also runs those of queues that have no workers.
_QUEUED = "_enqueue_async_job" if hasattr(rq.Queue, "_enqueue_async_job") else "_enqueue_job"
#: With those that wait for their time, or until no more than a few of their kind run.
_ENTRANCES = (_QUEUED, "_enqueue_rate_limited_job", "schedule_job")


class RQEngine(Actions, Queues):
    name: ClassVar[str] = ENGINE
    #: The adapter of this process, once an agent has taken it.
    installed: ClassVar[RQEngine | None] = None

    def __init__(self) -> None:
        self.hooks: Hooks | None = None
        self.functions: Functions | None = None
        self.rq_worker: Any = None
        self.paused: set[str] = set()
        #: What this worker has taken and not handed back, by id.
        self.current: dict[str, dict[str, Any]] = {}
        self._started = 0
        self._originals: dict[str, Callable[..., Job]] = {}

    def version(self) -> str:
        return version("rq")

    def install(self, host: Host) -> None:
        if self.host is not None:
            return
        super().install(host)
        self.hooks = Hooks(host)
        self.functions = Functions(host.state)
        type(self).installed = self
        for name in _ENTRANCES:
            original = getattr(rq.Queue, name, None)
            if original is not None:
                self._originals[name] = original
                setattr(rq.Queue, name, _told(original, self))

    def uninstall(self) -> None:
        if self.host is None:
            return
        for name, original in self._originals.items():
            setattr(rq.Queue, name, original)
        self._originals.clear()
        type(self).installed = None
        self.hooks = self.functions = None
        super().uninstall()

    @verb(note="from the worker itself, not from its entry in Redis")
    def worker(self) -> dict[str, Any] | None:
        if self.rq_worker is None:
            return None
        kind = "simple" if isinstance(self.rq_worker, rq.SimpleWorker) else "fork"
        return {
            "name": self.rq_worker.name,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": self.version(),
            "queues": self.rq_worker.queue_names(),
            "concurrency": {"kind": kind, "size": 1},
            "running": list(self.current.values()),
            "paused": sorted(self.paused),
            "started": self._started,
        }

    def tasks(self) -> Iterable[dict[str, Any]]:
        """RQ keeps no list: those of its decorator, and those that were run here before."""
        return [functions.told(facts) for facts in self.known_functions().values()]

    # Called by the worker.

    def serve(self, worker: Any) -> None:
        """This process is a worker. Nothing has been forked yet."""
        self.rq_worker = worker
        self._started = now()

    @guarded("rq.begin")
    def begin(self) -> None:
        if self.host is not None:
            self.prepare(self.rq_worker)
            self.paused |= {key[len(PAUSE) :] for key, _ in self.host.state.items(PAUSE)}
            self.host.role("worker", self.rq_worker.name)

    @guarded("rq.end")
    def end(self) -> None:
        if self.host is not None:
            self.host.stop()

    @guarded("rq.took")
    def took(self, job: Job) -> None:
        if self.hooks is None:
            return
        self.hooks.received(job, self.rq_worker.name)
        self.limit(job)
        if self.functions is not None:
            self.functions.took(name_of(job))
        # Told here, before the fork: a horse may die before it has said a word.
        run = self.hooks.started(job, self.rq_worker.name)
        self.current[job.id] = {"task_id": job.id, "name": name_of(job), "started": run}

    def opened(self, job: Job) -> None:
        """In the process that runs it."""
        if self.hooks is not None and self.functions is not None:
            self.hooks.opened(job, self.rq_worker.name)
            self.functions.ran(job)

    @guarded("rq.left")
    def left(self, job: Job) -> None:
        self.current.pop(job.id, None)
        if self.hooks is not None:
            self.hooks.runs.pop(job.id, None)


def _told(original: Callable[..., Job], engine: RQEngine) -> Callable[..., Job]:
    """RQ's method, and then the news that a job has come in."""

    @functools.wraps(original)
    def method(queue: rq.Queue, job: Job, *args: Any, **kwargs: Any) -> Job:
        result = original(queue, job, *args, **kwargs)
        with guard("rq.enqueue"):
            if engine.hooks is not None and queue.is_async:
                due = _due(args, kwargs) if original.__name__ == "schedule_job" else None
                engine.hooks.enqueued(result, due)
        return result

    return method


def _due(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> datetime | None:
    due = kwargs.get("datetime", args[0] if args else None)
    return due if isinstance(due, datetime) else None

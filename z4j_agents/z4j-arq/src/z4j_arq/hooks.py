"""One moment of a job's life, one method. None of them raises, none of them waits.

A job starts and ends in its coroutine, but what its end means is decided by arq afterwards: whether an exception is
another try, whether a cancellation was asked for. So an attempt's end is told when arq has recorded it.
"""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from arq.cron import CronJob
from arq.jobs import serialize_job
from arq.worker import Function, JobExecutionFailed, Worker
from z4j_core.engine import Host
from z4j_core.redaction import Parameters, Telling
from z4j_core.safety import guarded
from z4j_core.wire import Error, Kind, Reason

from z4j_arq import originals
from z4j_arq.facts import ENGINE, OPTIONS, STOPPED, microseconds, milliseconds, now, verdict, without_nothing

#: The job that runs in this context: what it enqueues are its children.
_running: ContextVar[str] = ContextVar("z4j_arq_running", default="")


@dataclass(slots=True)
class Run:
    """One attempt of one job in this worker. `started` is 0 until its coroutine has begun."""

    job_id: str
    #: When the job was due, milliseconds.
    due: int
    facts: dict[str, Any] = field(default_factory=dict)
    started: int = 0
    clock: float = 0.0
    timeout: float | None = None
    #: How the coroutine ended: with a result, by a cancellation that somebody asked for, or with an error.
    result: dict[str, Any] | None = None
    aborted: bool = False
    error: Error | None = None


class Hooks:
    """`parameters`: of the functions that are known here, by name. `queues`: where jobs were seen to go."""

    def __init__(self, host: Host, parameters: dict[str, Parameters], queues: dict[str, None]) -> None:
        self.host = host
        self.parameters = parameters
        self.queues = queues
        self.worker: Worker | None = None
        self.worker_name = ""
        #: What this worker has taken and not handed back.
        self.runs: dict[str, Run] = {}

    # A producer.

    @guarded("arq.enqueued")
    def enqueued(self, job_id: str, name: str, args: tuple[Any, ...], given: Mapping[str, Any], **told: Any) -> None:
        """`given`: the options and keyword arguments of `enqueue_job`. `told`: what is known of it besides, with the
        time at which it was sent (`ts`), how it is serialised (`serializer`), and its default time to live (`life`).
        """
        sent, serializer, life = told["ts"], told.pop("serializer"), told.pop("life")
        options = {option: given[option] for option in OPTIONS if given.get(option) is not None}
        kwargs = {key: value for key, value in given.items() if key not in OPTIONS}
        due = sent + microseconds(options.get("_defer_by"))
        if "_defer_until" in options:
            due = milliseconds(options["_defer_until"]) * 1000
        if expiry := microseconds(options.get("_expires")):
            originals.keep_expiry(self.host, job_id, expiry)
        job = serialize_job(name, args, kwargs, None, sent // 1000, serializer=serializer)
        self._see(told["queue"])
        event = {
            "kind": Kind.TASK_ENQUEUED,
            "engine": ENGINE,
            "task_id": job_id,
            "name": name,
            "attempt": max((options.get("_job_try") or 1) - 1, 0),
            "eta": due if due > sent else None,
            "expires": sent + expiry if expiry else due + life,
            "parent_id": _running.get(),
            "schedule": self._schedule(name),
            "vault": self.host.keep(job_id, originals.pack(told["queue"], job)),
        }
        self.host.emit(without_nothing({**event, **self.arguments(name, args, kwargs), **told}))

    def _see(self, queue: str) -> None:
        if len(self.queues) < 50:
            self.queues[queue] = None

    # A worker.

    def took(self, job_id: str, score: int) -> None:
        self.runs[job_id] = Run(job_id, score)

    def left(self, job_id: str) -> None:
        self.runs.pop(job_id, None)

    @guarded("arq.started")
    def started(
        self, ctx: Mapping[str, Any], name: str, function: Function | CronJob, args: tuple[Any, ...], kwargs: Any
    ) -> Run | None:
        """The coroutine begins. None: this worker did not take it, so it is not told."""
        run = self.runs.get(ctx["job_id"])
        if run is None or self.worker is None:
            return None
        _running.set(run.job_id)
        attempt = int(ctx["job_try"]) - 1
        run.facts = self.identity(run.job_id, name, attempt)
        run.timeout = self.worker.job_timeout_s if function.timeout_s is None else function.timeout_s
        run.started, run.clock = now(), time.perf_counter()
        told: dict[str, Any] = {"ts": run.started, "run": run.started, **self.arguments(name, args, kwargs)}
        if not attempt:
            sent = milliseconds(ctx["enqueue_time"])
            job = serialize_job(name, args, kwargs, None, sent, serializer=self.worker.job_serializer)
            told["vault"] = self.host.keep(run.job_id, originals.pack(self.worker.queue_name, job))
        self._emit(Kind.TASK_STARTED, **run.facts, **told)
        return run

    @guarded("arq.returned")
    def returned(self, run: Run | None, result: object) -> None:
        if run is not None:
            run.result = {"result": ""}
            told, was_cut = self.redactor(run.facts.get("name", "")).value(result)
            run.result = {"result": told, "truncated": ["result"] if was_cut else []}

    @guarded("arq.raised")
    def raised(self, run: Run | None, error: BaseException) -> None:
        if run is None or self.worker is None:
            return
        if isinstance(error, asyncio.CancelledError):
            run.aborted = run.job_id in self.worker.aborting_tasks
        else:
            run.error = self.redactor(run.facts.get("name", "")).error(error, Reason.EXCEPTION)

    @guarded("arq.finished")
    def finished(self, job_id: str, finish: bool, delay: int | None) -> None:
        """arq has recorded the end of an attempt. `finish` False: there is another one, `delay` ms after it was due."""
        run = self.runs.get(job_id)
        if run is None:
            return
        if not run.started:
            if finish:  # cancelled before its first step
                self._emit(Kind.TASK_CANCELLED, **self.identity(job_id), run=now())
            return
        seconds = time.perf_counter() - run.clock
        told: dict[str, Any] = {**run.facts, "run": run.started, "runtime_ms": seconds * 1000}
        if not finish:
            eta = (run.due + delay) * 1000 if delay else None
            self._emit(Kind.TASK_RETRYING, **told, eta=eta, error=run.error or STOPPED)
        elif run.result is not None:
            self._emit(Kind.TASK_SUCCEEDED, **told, **run.result)
        elif run.error is not None:
            self._emit(Kind.TASK_FAILED, **told, error=run.error)
        elif run.timeout is not None and seconds >= run.timeout and not run.aborted:
            error = Error(type="TimeoutError", message=f"It took longer than {run.timeout:g} s.", reason=Reason.TIMEOUT)
            self._emit(Kind.TASK_FAILED, **told, error=error)
        else:
            self._emit(Kind.TASK_CANCELLED, **told)

    @guarded("arq.given_up")
    def given_up(self, job_id: str, record: bytes | None) -> None:
        """arq has ended a job that it did not run: expired, unknown, aborted while it waited, tried too often."""
        told: Mapping[str, Any] = {}
        if record is not None and self.worker is not None:
            load: Callable[[bytes], Any] = self.worker.job_deserializer or pickle.loads  # noqa: S301 - made just now
            told = load(record)
        name, result = str(told.get("f") or ""), told.get("r")
        if told and not isinstance(result, BaseException):
            result = self._unsaid(name, int(told.get("t") or 1))
        found = verdict(False, result, self.redactor(name))
        facts = self.identity(job_id, "" if name == "<unknown>" else name, max(int(told.get("t") or 1) - 1, 0))
        if found.spent:
            facts["attempt"] = min(facts["attempt"], facts.get("max_attempts", 1) - 1)
        self._emit(found.kind, **facts, run=now(), error=found.error)

    def _unsaid(self, name: str, tries: int) -> BaseException:
        """Why arq gave a job up, where the user's serialiser cannot carry an exception."""
        if name == "<unknown>":
            return JobExecutionFailed("job expired")
        if self.worker is not None and name not in self.worker.functions:
            return JobExecutionFailed(f"function {name!r} not found")
        most = self.identity("", name).get("max_attempts", tries)
        return JobExecutionFailed(f"max {most} retries exceeded") if tries > most else asyncio.CancelledError()

    def _emit(self, kind: Kind, **event: Any) -> None:
        self.host.emit(without_nothing({"kind": kind, **event, "worker": self.worker_name}))

    # Of both.

    def identity(self, job_id: str, name: str = "", attempt: int | None = None) -> dict[str, Any]:
        """Which job, and which of its attempts."""
        facts = {"engine": ENGINE, "task_id": job_id, "name": name, "attempt": attempt}
        if self.worker is not None:
            function = self.worker.functions.get(name)
            tries = getattr(function, "max_tries", None)
            facts |= {"queue": self.worker.queue_name, "schedule": self._schedule(name)}
            facts["max_attempts"] = self.worker.max_tries if tries is None else tries
        return without_nothing(facts)

    def arguments(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Redacted. Those of a function that is not known here are told by their shape."""
        told = self.redactor(name).call(self.parameters.get(name, Parameters()), args, kwargs)
        return dict(zip(("args", "kwargs", "truncated"), told, strict=True))

    def redactor(self, name: str) -> Telling:
        return self.host.redactor.of(name, self.parameters.get(name))

    def _schedule(self, name: str) -> str | None:
        """The cron job that this is a run of."""
        found = self.worker.functions.get(name) if self.worker is not None else None
        return name if isinstance(found, CronJob) else None

"""The rq-scheduler library: one sorted set of jobs in Redis, and one process that enqueues those that are due.

A schedule's key is the id of its job, which is enqueued under that same id each time. What people change is kept in
Redis, where the library looks for it; that somebody disabled a job the agent remembers, for the library cannot say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Any, ClassVar, Final, cast

import rq_scheduler
from rq.job import Job
from z4j_core.patches import Patches
from z4j_core.safety import guard
from z4j_core.scheduler import Host, micros
from z4j_core.timetable import Definition, ScheduleFacts, Ticking

from z4j_rqscheduler import known, processes
from z4j_rqscheduler.library_actions import LibraryActions
from z4j_rqscheduler.plans import restricts_days_twice, told

_MOST: Final = 5_000
_NONE_HERE: Final = "No scheduler of rq-scheduler runs in this process."


class RQScheduler(LibraryActions):
    name: ClassVar[str] = "rqscheduler"
    engine: ClassVar[str] = "rq"

    def __init__(self) -> None:
        super().__init__()
        self._patches = Patches()
        self._tick = 0

    def version(self) -> str:
        return version("rq-scheduler")

    def install(self, host: Host) -> None:
        if self.host is not None:
            return
        super().install(host)
        self._patches.around(rq_scheduler.Scheduler, "run", self._run)
        self._patches.around(rq_scheduler.Scheduler, "heartbeat", self._beat)
        self._patches.around(rq_scheduler.Scheduler, "enqueue_jobs", self._turn)
        self._patches.around(rq_scheduler.Scheduler, "enqueue_job", self._enqueue)

    def uninstall(self) -> None:
        self._patches.undo()
        super().uninstall()

    # In the scheduler's own thread.

    def _run(self, original: Callable[..., Any], scheduler: Any, *args: Any, **kwargs: Any) -> Any:
        with guard("rqscheduler.run"):
            self.live, self._tick = scheduler, micros()
            assert self.host is not None
            self.host.role("scheduler", scheduler.name)
        try:
            return original(scheduler, *args, **kwargs)
        finally:
            self.live = None
            if self.host is not None:
                self.host.stop()

    def _beat(self, original: Callable[..., Any], scheduler: Any) -> Any:
        """Each turn, also one that waits because another scheduler works."""
        self._tick = micros() if scheduler is self.live else self._tick
        return original(scheduler)

    def _turn(self, original: Callable[..., Any], scheduler: Any) -> Any:
        with self._turning:
            if scheduler is self.live:
                self._keep_out()
            return original(scheduler)

    def _keep_out(self) -> None:
        """Programs that schedule their jobs anew whenever they start do not know who was disabled."""
        with guard("rqscheduler.keep_out"):
            for key, words in self._overrides.all().items():
                if words.get("off"):
                    self._scheduler.cancel(key)

    def _enqueue(self, original: Callable[..., Any], scheduler: Any, job: Job, *args: Any, **kwargs: Any) -> Any:
        due = None
        with guard("rqscheduler.due"):
            due = scheduler.connection.zscore(scheduler.scheduled_jobs_key, job.id)
        result = original(scheduler, job, *args, **kwargs)
        with guard("rqscheduler.fired"):
            name = known.function_of(job)
            self.fired(job.id, job.id, due=None if due is None else micros(due), name=name, queue=job.origin)
            self._remember(job, name)
        return result

    def _remember(self, job: Job, name: str) -> None:
        """The library has just opened its body."""
        if self.host is not None and self.live is not None:
            parameters = known.parameters(name)
            args, kwargs, _ = self.host.redactor.of(name, parameters).call(parameters, tuple(job.args), job.kwargs)
            self._calls[job.id] = args, kwargs

    # What the agent asks.

    def obstacle(self, verb: str) -> str:
        return super().obstacle(verb) or ("" if self.live is not None else _NONE_HERE)

    def running(self) -> Ticking | None:
        if self.live is None:
            return None
        return processes.ticking(self._tick, float(self.live._interval))

    def schedules(self) -> Iterable[tuple[str, ScheduleFacts]]:
        live = self._scheduler
        found = live.connection.zrange(live.scheduled_jobs_key, 0, _MOST - 1, withscores=True)
        due = {key.decode(): score for key, score in found}
        off = {key: words for key, words in self._overrides.all().items() if words.get("off")}
        keys = list({**due, **off})
        for key, job in zip(keys, live.job_class.fetch_many(keys, connection=live.connection), strict=True):
            if job is not None:
                yield key, self._facts(job, due.get(key), off.get(key))
            elif key in off:
                self._overrides.forget(key)

    def _facts(self, job: Job, due: float | None, off: Mapping[str, Any] | None) -> ScheduleFacts:
        at = micros(due) if due is not None else (off or {}).get("due")
        facts: dict[str, Any] = {
            "task": known.function_of(job),
            "engine": "rq",
            "enabled": off is None,
            "definition": Definition.STORE,
            "queue": job.origin,
            **_plan(job, at),
        }
        if off is None and at is not None:
            facts["next"] = at
        if job.id in self._calls:
            facts["args"], facts["kwargs"] = self._calls[job.id]
        return cast(ScheduleFacts, facts)


def _plan(job: Job, at: int | None) -> dict[str, Any]:
    cron, every = str(job.meta.get("cron_string") or ""), job.meta.get("interval")
    if not cron:
        return told(every=every, at=at)
    fields = cron.split()
    # The library has seconds as the first of seven fields, and wants both the day of the month and that of the week.
    plain = " ".join(fields[:6]) if len(fields) == 7 and fields[6] == "*" else cron if len(fields) == 5 else "@other"
    return told(cron="@other" if restricts_days_twice(plain) else plain, text=cron)

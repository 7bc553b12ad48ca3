"""One scheduler of APScheduler 3: its listener, what it lists, and whether its loop turns."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from importlib.metadata import version
from typing import Any, ClassVar, Final, cast

from apscheduler import events
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.base import STATE_RUNNING, STATE_STOPPED
from apscheduler.util import get_callable_name, obj_to_ref
from z4j_core.redaction import Parameters, Telling
from z4j_core.safety import guarded
from z4j_core.scheduler import Host
from z4j_core.timetable import Definition, ScheduleFacts, Skip, Ticking
from z4j_core.wire import Kind

from z4j_apscheduler.kept import Kept
from z4j_apscheduler.keys import is_kept, is_ours
from z4j_apscheduler.plans import described, micros, now
from z4j_apscheduler.runs import Known, Runs, dues_of, process_name
from z4j_apscheduler.steering import Coded, Steering

#: How long after its time a job may be waited for before the loop counts as standing still.
PATIENCE: Final = timedelta(seconds=10)
#: Of jobs that are gone, so many are still known: their last run is told of afterwards.
LEFT: Final = 500
_NOT_HERE: Final = "The scheduler does not run in this process."


class APScheduler(Steering):
    name: ClassVar[str] = "apscheduler"
    engine: ClassVar[str] = "apscheduler"

    def __init__(self, scheduler: Any, functions: Iterable[Callable[..., Any]] = ()) -> None:
        super().__init__(scheduler)
        self.bound = scheduler
        self.functions = {_name_of(function): function for function in functions}
        self.runs = Runs(self.engine, self.fired, self.skipped)
        self._jobs: dict[str, Known] = {}
        self._left: deque[str] = deque()
        #: Added before the scheduler runs, when nothing about them can be changed yet.
        self._added: list[str] = []
        self._on: dict[int, Callable[[Any], None]] = {
            events.EVENT_SCHEDULER_STARTED: self._begun,
            events.EVENT_JOB_ADDED: self._job_added,
            events.EVENT_JOB_MODIFIED: self._job_modified,
            events.EVENT_JOB_REMOVED: self._job_removed,
            events.EVENT_JOB_SUBMITTED: self._submitted,
            events.EVENT_JOB_EXECUTED: self._executed,
            events.EVENT_JOB_ERROR: self._failed,
            events.EVENT_JOB_MISSED: self._missed,
            events.EVENT_JOB_MAX_INSTANCES: self._overlapped,
        }

    @classmethod
    def find(cls) -> APScheduler | None:
        """APScheduler keeps no list of its schedulers: whoever makes one hands it over with `attach`."""
        return None

    def version(self) -> str:
        return version("apscheduler")

    def install(self, host: Host) -> None:
        if self.host is not None:
            return
        super().install(host)
        self.runs.host, self.kept = host, Kept(host.state, self.name)
        self.scheduler.add_listener(self._listen)
        if self.scheduler.state != STATE_STOPPED:
            self._late()

    def uninstall(self) -> None:
        if self.host is not None:
            with suppress(ValueError):
                self.scheduler.remove_listener(self._listen)
            self.runs.host = None
            super().uninstall()

    # Reads.

    def obstacle(self, verb: str) -> str:
        return super().obstacle(verb) or (_NOT_HERE if self.scheduler.state == STATE_STOPPED else "")

    def running(self) -> Ticking | None:
        """The loop sleeps until the next job is due. Of one that another process put into a shared store it hears only
        when it is woken.
        """
        if self.scheduler.state != STATE_RUNNING:
            return None
        moment = now()
        dues = [job.next_run_time for job in self.scheduler.get_jobs() if job.next_run_time is not None]
        first = min(dues, default=moment)
        if first < moment - timedelta(seconds=1):
            self.scheduler.wakeup()
        return Ticking(tick=micros(first if first < moment - PATIENCE else moment))

    def schedules(self) -> Iterator[tuple[str, ScheduleFacts]]:
        self.runs.sweep(self._has)
        for job in self.scheduler.get_jobs():
            if not is_ours(job.id):
                known = self._seen(job, job._jobstore_alias)
                yield known.key, self._facts(known, job)

    def _facts(self, known: Known, job: Any) -> ScheduleFacts:
        assert self.host is not None
        parameters = Parameters.of(job.func)
        args, kwargs, _ = self.host.redactor.of(known.task, parameters).call(
            parameters, tuple(job.args), dict(job.kwargs)
        )
        stored = known.key in self.made or is_kept(self.scheduler, job._jobstore_alias)
        facts: dict[str, Any] = {
            **described(job.trigger),
            "task": known.task,
            "engine": self.engine,
            "enabled": job.next_run_time is not None,
            "definition": Definition.STORE if stored else Definition.CODE,
            "args": args,
            "kwargs": kwargs,
        }
        coded = self.coded.get(known.key)
        if coded is not None and str(coded.trigger) != facts["text"]:
            facts["code"] = str(coded.trigger)
        if job.next_run_time is not None:
            facts["next"] = micros(job.next_run_time)
        if last := self.runs.last.get(known.key):
            facts["last"] = last
        return cast(ScheduleFacts, facts)

    # What the scheduler says. A listener runs in the scheduler's thread, or in an executor's.

    @guarded("apscheduler.listen")
    def _listen(self, event: Any) -> None:
        if known := self._on.get(event.code):
            known(event)
        else:
            self.changed()

    def _begun(self, event: Any) -> None:
        """In the thread that starts it, before its loop turns for the first time."""
        assert self.host is not None
        added, self._added = self._added, []
        for job_id in added:
            if job_id in self._jobs:
                self.apply(self._jobs[job_id].key, self.scheduler.get_job(job_id))
        self.make_again()
        for job in self.scheduler.get_jobs():
            self._seen(job, job._jobstore_alias)
        self.host.role("scheduler", process_name())
        self.changed()

    def _late(self) -> None:
        """We came when it ran already: what its code adds was added before."""
        for job in sorted(self.scheduler.get_jobs(), key=lambda job: (job.name, str(job.trigger), job.id)):
            known = self._seen(job, job._jobstore_alias)
            if not is_kept(self.scheduler, job._jobstore_alias):
                self._code(known, job)
                self._added.append(job.id)
        self._begun(None)

    def _job_added(self, event: Any) -> None:
        job = self.scheduler.get_job(event.job_id, event.jobstore)
        if job is None:
            return
        known = self._seen(job, event.jobstore)
        if not is_ours(job.id) and job.id not in self.making:
            self._code(known, job)
            if self.scheduler.state == STATE_STOPPED:
                self._added.append(job.id)
            else:
                self.apply(known.key, job)
        self.changed()

    def _code(self, known: Known, job: Any) -> None:
        """What stands in the code: a job that is added by it, not by people."""
        self.coded[known.key] = Coded(job.trigger, job.next_run_time is not None, known.task)

    def _job_modified(self, event: Any) -> None:
        job = self.scheduler.get_job(event.job_id, event.jobstore)
        if job is not None:
            self._seen(job, event.jobstore)
        self.changed()

    def _job_removed(self, event: Any) -> None:
        known = self._jobs.get(event.job_id)
        if known is not None:
            self._left.append(event.job_id)
            if not is_ours(event.job_id):
                self.removed(known.key, event.job_id)
        while len(self._left) > LEFT:
            self._jobs.pop(self._left.popleft(), None)
        self.changed()

    def _submitted(self, event: Any) -> None:
        if known := self._known(event):
            lane = known.job.executor
            self.runs.submitted(known, lane, self._slots(lane), dues_of(event))

    def _executed(self, event: Any) -> None:
        def told(redactor: Telling) -> dict[str, Any]:
            result, was_cut = redactor.value(event.retval)
            return {"result": result, "truncated": ["result"] if was_cut else []}

        self._ended(event, Kind.TASK_SUCCEEDED, told)

    def _failed(self, event: Any) -> None:
        self._ended(event, Kind.TASK_FAILED, lambda redactor: {"error": redactor.error(event.exception)})

    def _missed(self, event: Any) -> None:
        self._ended(event, Kind.TASK_SKIPPED, lambda _: {})

    def _ended(self, event: Any, kind: Kind, told: Callable[[Telling], dict[str, Any]]) -> None:
        if known := self._known(event):
            self.runs.ended(known, micros(event.scheduled_run_time), kind, told)

    def _overlapped(self, event: Any) -> None:
        if known := self._known(event):
            for due in dues_of(event):
                self.skipped(known.key, due, Skip.OVERLAP)

    # Jobs and executors.

    def _seen(self, job: Any, alias: str | None) -> Known:
        key = job.name if is_ours(job.id) else self.keys.of(job, alias)
        known = self._jobs[job.id] = Known(key, task_of(job), job)
        self.functions.setdefault(known.task, job.func)
        return known

    def _known(self, event: Any) -> Known | None:
        """Of a job that another process added, only what its store says; it may be gone already."""
        known = self._jobs.get(event.job_id)
        if known is None:
            with suppress(JobLookupError):
                job = self.scheduler.get_job(event.job_id, event.jobstore)
                known = self._seen(job, event.jobstore) if job is not None else None
        return known

    def _slots(self, alias: str) -> int | None:
        pool = getattr(self.scheduler._executors.get(alias), "_pool", None)
        return getattr(pool, "_max_workers", None)

    def _has(self, alias: str, job_id: str) -> bool:
        executor = self.scheduler._executors.get(alias)
        return executor is not None and dict(executor._instances).get(job_id, 0) > 0


def task_of(job: Any) -> str:
    return str(job.func_ref or get_callable_name(job.func))


def _name_of(function: Callable[..., Any]) -> str:
    with suppress(ValueError):
        return str(obj_to_ref(function))
    return str(get_callable_name(function))

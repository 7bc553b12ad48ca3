"""What people may ask of rq-scheduler: done where it keeps its jobs, in Redis, between two turns of its loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, Final, cast

import rq_scheduler
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus
from rq_scheduler.utils import get_next_scheduled_time
from z4j_core.overrides import Overrides
from z4j_core.scheduler import Answer, Scheduler, Target, emulated, micros, verb
from z4j_core.wire import Outcome

from z4j_rqscheduler import known, stored
from z4j_rqscheduler.plans import Refused, Wish, sentence, wish

_TAKES: Final = ("cron", "every", "at")
_UNKNOWN: Final = "rq-scheduler has no job of that id."
_OVER: Final = "Its time has passed while it was disabled; give it another."


class LibraryActions(Scheduler):
    """`live`: the scheduler that runs here."""

    def __init__(self) -> None:
        self.live: rq_scheduler.Scheduler | None = None
        self._turning = threading.RLock()
        #: Arguments as they may be told, of jobs whose bodies the library has opened here.
        self._calls: dict[str, tuple[str, str]] = {}

    @property
    def _overrides(self) -> Overrides:
        assert self.host is not None
        return Overrides(self.host.state, self.name)

    @property
    def _scheduler(self) -> Any:
        assert self.live is not None
        return self.live

    @emulated("back into the scheduler's set, for its next due time")
    def schedule_enable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        words = self._overrides.get(target.name)
        job = self._job(target)
        if job is None:
            return Answer(Outcome.NOT_FOUND, _UNKNOWN)
        if not words.get("off"):
            return Answer(Outcome.DONE, "It was not disabled.")
        due = _next(job, words.get("due"))
        if due is None:
            return Answer(Outcome.FAILED, _OVER)
        with self._turning:
            self._overrides.forget(target.name)
            self._put(job, due)
        return Answer(Outcome.DONE, self._latest)

    @emulated("taken out of the scheduler's set and kept out; the job itself stays in Redis, and who disabled it here")
    def schedule_disable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        job = self._job(target)
        if job is None:
            return Answer(Outcome.NOT_FOUND, _UNKNOWN)
        with self._turning:
            due = self._due(job)
            if due is not None:
                self._overrides.put(job.id, {"off": True, "due": micros(due)})
            self._scheduler.cancel(job.id)
        return Answer(Outcome.DONE)

    @verb("in Redis, where the scheduler looks before each firing")
    def schedule_edit(self, target: Target, params: Mapping[str, Any]) -> Answer:
        job = self._job(target)
        if job is None:
            return Answer(Outcome.NOT_FOUND, _UNKNOWN)
        try:
            asked = wish(params, takes=_TAKES)
            cron = _crontab(asked)
        except Refused as error:
            return Answer(Outcome.FAILED, str(error))
        with self._turning:
            if asked.has_plan:
                self._replan(job, asked, cron)
            stored.rewrite(job, asked)
            self._calls.pop(job.id, None)
        return Answer(Outcome.DONE, self._latest)

    def _replan(self, job: Job, asked: Wish, cron: str) -> None:
        meta = {name: value for name, value in job.meta.items() if name not in ("cron_string", "interval")}
        job.meta = meta | ({"cron_string": cron} if cron else {}) | ({"interval": asked.every} if asked.every else {})
        job.save_meta()  # type: ignore[no-untyped-call]
        due = _next(job, asked.at if asked.at is not None else micros())
        words = self._overrides.get(job.id)
        if words.get("off"):
            self._overrides.put(job.id, {**words, "due": due})
        else:
            self._put(job, due if due is not None else micros())

    @verb("in Redis, of a function that it sends already or that has run on this host")
    def schedule_create(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.host is not None
        task, there = str(params.get("task") or ""), self._job(target)
        if there is not None:
            same = target.again and known.function_of(there) == task
            return Answer(Outcome.DONE) if same else Answer(Outcome.FAILED, "There is a job of that id already.")
        if not known.is_known(task, [facts["task"] for _, facts in self.schedules()], self.host.state):
            return Answer(Outcome.FAILED, "No function of that name is scheduled here, or has run on this host before.")
        try:
            asked = wish(params, takes=_TAKES)
            cron = _crontab(asked)
            if not asked.has_plan:
                raise Refused("A new schedule needs a plan: cron, every or at.")
            job = self._made(target.name, task, asked, cron)
        except ValueError as error:  # Refused is one, and RQ has its own opinion on what an id is
            return Answer(Outcome.FAILED, sentence(error))
        with self._turning:
            job.save()
            self._put(job, _next(job, asked.at if asked.at is not None else micros()) or micros())
        return Answer(Outcome.DONE, self._latest)

    def _made(self, key: str, task: str, asked: Wish, cron: str) -> Job:
        job: Job = self._scheduler._create_job(
            task, asked.args or (), dict(asked.kwargs or {}), False, id=key, queue_name=asked.queue,
            result_ttl=-1 if asked.at is None else None,
        )  # fmt: skip
        job.meta |= ({"cron_string": cron} if cron else {}) | ({"interval": asked.every} if asked.every else {})
        return job

    @verb("cancelled; what of it waits in a queue or runs goes on")
    def schedule_delete(self, target: Target, params: Mapping[str, Any]) -> Answer:
        job = self._job(target)
        if job is None:
            return Answer(Outcome.DONE) if target.again else Answer(Outcome.NOT_FOUND, _UNKNOWN)
        with self._turning:
            self._scheduler.cancel(job.id)
            self._overrides.forget(job.id)
            if job.get_status() in (JobStatus.SCHEDULED, JobStatus.FINISHED, JobStatus.FAILED, JobStatus.CANCELED):
                job.delete()
        return Answer(Outcome.DONE)

    @emulated("a copy of its job, under an id of its own; its next due time stays")
    def schedule_run(self, target: Target, params: Mapping[str, Any]) -> Answer:
        job = self._job(target)
        if job is None:
            return Answer(Outcome.NOT_FOUND, _UNKNOWN)
        task_id = target.new_task_id()
        stored.send_copy(job, task_id)
        self.fired(job.id, task_id, name=known.function_of(job), queue=job.origin, asked=True)
        return Answer(Outcome.DONE, new_task_id=task_id)

    @property
    def _latest(self) -> str:
        return f"In force with the scheduler's next turn, within {self._scheduler._interval:g} s."

    def _job(self, target: Target) -> Job | None:
        """Of a schedule: not any job."""
        live = self._scheduler
        try:
            job = live.job_class.fetch(target.name, connection=live.connection)
        except (NoSuchJobError, ValueError):  # of a name that is no id
            return None
        return cast(Job, job) if self._due(job) is not None or self._overrides.get(job.id).get("off") else None

    def _due(self, job: Job) -> float | None:
        live = self._scheduler
        return cast("float | None", live.connection.zscore(live.scheduled_jobs_key, job.id))

    def _put(self, job: Job, due: int) -> None:
        live = self._scheduler
        live.connection.zadd(live.scheduled_jobs_key, {job.id: due // 1_000_000})


def _crontab(asked: Wish) -> str:
    """The expression as the library has it; "" without one. Raises Refused."""
    if asked.cron is None:
        return ""
    cron = f"{asked.cron} *" if len(asked.cron.split()) == 6 else asked.cron
    try:
        get_next_scheduled_time(cron)
    except (ValueError, AttributeError) as error:  # of one that never fires the library takes None for a moment
        raise Refused(f"This is no cron expression that ever fires: {asked.cron}.") from error
    return cron


def _next(job: Job, since: int | None) -> int | None:
    """The first due time from now on, of those that follow `since`. None: there is none."""
    cron, every = job.meta.get("cron_string"), job.meta.get("interval")
    now = round(time.time() * 1_000_000)
    if cron:
        return micros(get_next_scheduled_time(cron).timestamp())
    if every:
        step = int(every) * 1_000_000
        since = now if since is None else since
        return since if since > now else since + ((now - since) // step + 1) * step
    return since if since is not None and since > now else None

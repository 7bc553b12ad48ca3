"""dramatiq-crontab as a scheduler: jobs in the memory of the one process that runs `manage.py crontab`.

What it knows of a job is its actor, whose `send` it calls. Other jobs of its scheduler are its own business.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import version
from typing import Any, ClassVar, Final, cast

import dramatiq
import dramatiq_crontab
import z4j_core.scheduler
from apscheduler import events
from apscheduler.schedulers.base import STATE_RUNNING, STATE_STOPPED
from z4j_core.redaction import Parameters
from z4j_core.safety import guarded
from z4j_core.scheduler import Host
from z4j_core.timetable import Definition, ScheduleFacts, Skip, Ticking

from z4j_periodiq.crontab_plans import described, micros, now
from z4j_periodiq.crontab_verbs import CrontabVerbs
from z4j_periodiq.process import process_name

#: How long after its time a job may be waited for before the loop counts as standing still.
PATIENCE: Final = timedelta(seconds=10)
_NOT_HERE: Final = "Only the process of `manage.py crontab` can do this."


def install() -> bool:
    """Report what dramatiq-crontab sends. False when no brain is configured. Opens no connection by itself."""
    return z4j_core.scheduler.attach(DramatiqCrontab())


class DramatiqCrontab(CrontabVerbs):
    name: ClassVar[str] = "dramatiqcrontab"
    engine: ClassVar[str] = "dramatiq"

    def __init__(self) -> None:
        super().__init__(dramatiq_crontab.scheduler)
        self.bound = self.scheduler
        self._turn = threading.Lock()
        self._on = {
            events.EVENT_SCHEDULER_STARTED: self._begun,
            events.EVENT_JOB_ADDED: self._added,
            events.EVENT_JOB_EXECUTED: self._executed,
            events.EVENT_JOB_MISSED: self._missed,
            events.EVENT_JOB_MAX_INSTANCES: self._overlapped,
        }

    def version(self) -> str:
        return version("dramatiq-crontab")

    def install(self, host: Host) -> None:
        if self.host is None:
            super().install(host)
            self.scheduler.add_listener(self._listen)

    def uninstall(self) -> None:
        if self.host is not None:
            self.scheduler.remove_listener(self._listen)
            super().uninstall()

    # Reads.

    def obstacle(self, verb: str) -> str:
        return super().obstacle(verb) or (_NOT_HERE if self.scheduler.state == STATE_STOPPED else "")

    def running(self) -> Ticking | None:
        """Its loop sleeps until the next job is due."""
        if self.scheduler.state != STATE_RUNNING:
            return None
        moment = now()
        dues = [job.next_run_time for job in self.scheduler.get_jobs() if job.next_run_time is not None]
        first = min(dues, default=moment)
        return Ticking(tick=micros(first if first < moment - PATIENCE else moment))

    def schedules(self) -> Iterator[tuple[str, ScheduleFacts]]:
        for job in self.scheduler.get_jobs():
            if (actor := actor_of(job)) is not None:
                key = self.key_of(job)
                yield key, self._facts(key, job, actor)

    def _facts(self, key: str, job: Any, actor: Any) -> ScheduleFacts:
        assert self.host is not None
        parameters = Parameters.of(actor.fn)
        redactor = self.host.redactor.of(actor.actor_name, parameters)
        args, kwargs, _ = redactor.call(parameters, tuple(job.args), dict(job.kwargs))
        facts: dict[str, Any] = {
            **described(job.trigger),
            "task": actor.actor_name,
            "engine": self.engine,
            "queue": actor.queue_name,
            "enabled": job.next_run_time is not None,
            "definition": Definition.STORE if key in self.made else Definition.CODE,
            "args": args,
            "kwargs": kwargs,
        }
        coded = self.coded.get(key)
        if coded is not None and str(coded.trigger) != facts["text"]:
            facts["code"] = str(coded.trigger)
        if job.next_run_time is not None:
            facts["next"] = micros(job.next_run_time)
        return cast(ScheduleFacts, facts)

    # What the scheduler says, in its own thread or in an executor's.

    @guarded("dramatiqcrontab.listen")
    def _listen(self, event: Any) -> None:
        if known := self._on.get(event.code):
            known(event)
        else:
            self.changed()

    def _begun(self, event: Any) -> None:
        """Before the loop turns for the first time."""
        assert self.host is not None
        self.restore()
        self.host.role("scheduler", process_name())
        self.changed()

    def _added(self, event: Any) -> None:
        """In the order of the code. Before the scheduler runs nothing about it can be changed yet."""
        job = self.scheduler.get_job(event.job_id)
        if job is not None and actor_of(job) is not None and job.id not in self.making:
            key = self.key_of(job)
            self.remember(key, job)
            if self.scheduler.state != STATE_STOPPED:
                self.apply(key, job)
        self.changed()

    def _executed(self, event: Any) -> None:
        """What the job returned is the message that it sent."""
        message, key = event.retval, self.known(event.job_id)
        if key and isinstance(message, dramatiq.Message):
            due = micros(event.scheduled_run_time)
            self.fired(key, message.message_id, due=due, name=message.actor_name, queue=message.queue_name)

    def _missed(self, event: Any) -> None:
        if key := self.known(event.job_id):
            self.skipped(key, micros(event.scheduled_run_time), Skip.LATE)

    def _overlapped(self, event: Any) -> None:
        if key := self.known(event.job_id):
            for moment in event.scheduled_run_times:
                self.skipped(key, micros(moment), Skip.OVERLAP)

    # Keys.

    def key_of(self, job: Any) -> str:
        """The name of its actor, with a number for each further job of it: ids are others with each start."""
        with self._turn:
            if job.id not in self.keys:
                taken, number, key = set(self.keys.values()), 1, str(job.name)
                while key in taken:
                    number += 1
                    key = f"{job.name}#{number}"
                self.keys[job.id] = key
            return self.keys[job.id]

    def known(self, job_id: str) -> str:
        return self.keys.get(job_id, "")


def actor_of(job: Any) -> Any:
    """None for a job that sends no actor."""
    actor = getattr(job.func, "__self__", None)
    return actor if isinstance(actor, dramatiq.Actor) else None

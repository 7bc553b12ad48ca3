"""One entry of RQ's cron: as the code has it, and as people have changed it since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from rq.cron import CronJob
from rq.utils import now
from z4j_core.scheduler import Host
from z4j_core.timetable import Definition, ScheduleFacts

from z4j_rqscheduler import known
from z4j_rqscheduler.plans import Refused, Wish, micros, told


@dataclass(slots=True)
class Entry:
    key: str
    job: CronJob
    in_code: bool
    #: The plan in code, as text.
    code: str = ""
    enabled: bool = True
    there: bool = True
    #: When it was last sent, microseconds.
    last: int = 0

    @classmethod
    def of_code(cls, key: str, job: CronJob) -> Entry:
        return cls(key, job, True, _text(job))

    @classmethod
    def made(cls, key: str, job: CronJob) -> Entry:
        return cls(key, job, False)

    def apply(self, words: Mapping[str, Any]) -> None:
        """What was kept of it, or is to be kept."""
        if words.get("gone") or (self.in_code and "task" in words):
            self.there = False  # taken away, or another one has its name
            return
        if "cron" in words or "every" in words:
            self._plan(words.get("cron"), words.get("every"))
        if "args" in words:
            self.job.args = tuple(words["args"])
        if "kwargs" in words:
            self.job.kwargs = dict(words["kwargs"])
        if "queue" in words:
            self.job.queue_name = words["queue"]
        if words.get("off"):
            self.enabled = False

    def _plan(self, cron: str | None, every: int | None) -> None:
        """From now on: an interval begins with the change."""
        self.job.cron, self.job.interval = cron, every
        if cron:
            self.job.next_enqueue_time = _next(cron)
        elif every:
            self.job.latest_enqueue_time = self.job.latest_enqueue_time or now()
            self.job.next_enqueue_time = now() + timedelta(seconds=every)

    def pause(self) -> None:
        self.enabled = False

    def resume(self) -> None:
        """Nothing that was missed is made up for."""
        if self.enabled:
            return
        self.enabled = True
        due = self.job.next_enqueue_time
        if self.job.cron:
            self.job.next_enqueue_time = _next(self.job.cron)
        elif self.job.interval and (due is None or due < now()):
            self.job.latest_enqueue_time = self.job.latest_enqueue_time or now()
            self.job.next_enqueue_time = now() + timedelta(seconds=self.job.interval)

    def words_of(self, asked: Wish) -> dict[str, Any]:
        """What is kept of a change: of the plan the whole, so that the old kind of plan goes."""
        words = self.words(asked)
        return {"cron": None, "every": None, **words} if asked.has_plan else words

    @staticmethod
    def words(asked: Wish) -> dict[str, Any]:
        """Raises Refused."""
        words: dict[str, Any] = {}
        if asked.cron is not None:
            words["cron"] = seconds_last(asked.cron)
            _next(words["cron"])
        if asked.every is not None:
            words["every"] = asked.every
        if asked.args is not None:
            words["args"] = list(asked.args)
        if asked.kwargs is not None:
            words["kwargs"] = asked.kwargs
        if asked.queue is not None:
            words["queue"] = asked.queue
        return words

    def facts(self, host: Host) -> ScheduleFacts:
        job, due = self.job, self.job.next_enqueue_time
        parameters = known.parameters(job.func_name)
        args, kwargs, _ = host.redactor.of(job.func_name, parameters).call(parameters, job.args, job.kwargs)
        facts: dict[str, Any] = {
            "task": job.func_name,
            "engine": "rq",
            "enabled": self.enabled,
            "definition": Definition.CODE if self.in_code else Definition.STORE,
            "queue": job.queue_name,
            "args": args,
            "kwargs": kwargs,
            **told(cron=seconds_first(job.cron), every=job.interval, text=_text(job)),
        }
        if due is not None and self.enabled and due.year < datetime.max.year:
            facts["next"] = micros(due)
        if self.last:
            facts["last"] = self.last
        if self.code and self.code != facts["text"]:
            facts["code"] = self.code
        return cast(ScheduleFacts, facts)


def _text(job: CronJob) -> str:
    return job.cron or f"every {job.interval} s"


def seconds_first(cron: str | None) -> str:
    """RQ has seconds as the sixth field."""
    fields = (cron or "").split()
    return " ".join([fields[-1], *fields[:-1]] if len(fields) == 6 else fields)


def seconds_last(cron: str) -> str:
    fields = cron.split()
    return " ".join([*fields[1:], fields[0]] if len(fields) == 6 else fields)


def _next(cron: str) -> datetime:
    """When RQ would send it next. Raises Refused."""
    try:
        return CronJob("default", func_name="x.y", cron=cron).get_next_enqueue_time()
    except ValueError as error:
        raise Refused(f"This is no cron expression that ever fires: {cron} ({type(error).__name__}).") from error

"""What people may ask of a schedule: each verb is APScheduler's own, and kept where a restart would forget it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, cast

from apscheduler.jobstores.base import ConflictingIdError, JobLookupError
from apscheduler.schedulers.base import STATE_RUNNING
from apscheduler.triggers.date import DateTrigger
from z4j_core import safety
from z4j_core.scheduler import Answer, Scheduler, Target, verb
from z4j_core.wire import Outcome

from z4j_apscheduler.kept import Changes, Kept
from z4j_apscheduler.keys import ONCE, Keys
from z4j_apscheduler.plans import UTC, Impossible, described, now, wanted, zone_of

_NONE: Final = "The scheduler has no job of that key."
_PAUSED: Final = "The whole scheduler is paused: nothing runs until its own code resumes it."
_OVER: Final = "Its plan has no further time: give it another one."
_ARGUMENTS: Final = "The function does not take these arguments."
_QUEUES: Final = "APScheduler has no queues."


@dataclass(frozen=True, slots=True)
class Coded:
    """A job as the code adds it."""

    trigger: Any
    enabled: bool
    task: str


class Steering(Scheduler):
    kept: Kept
    #: By the names that people choose a task by.
    functions: dict[str, Callable[..., Any]]

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler
        self.keys = Keys(scheduler)
        self.coded: dict[str, Coded] = {}
        #: Keys of schedules that people created; ids of jobs that are just being added, or taken away, by us.
        self.made: set[str] = set()
        self.making: set[str] = set()
        self.removing: set[str] = set()

    @verb(note="from its next due time on")
    def schedule_enable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        job = self._job(target.name)
        if job is None:
            return Answer(Outcome.NOT_FOUND, _NONE)
        if job.next_run_time is None:
            following = _following(job.trigger)
            if following is None:
                return Answer(Outcome.FAILED, _OVER)
            self._modify(job, next_run_time=following)
        self._keep_enabled(target.name, True)
        return Answer(Outcome.DONE)

    @verb(note="what runs already is not stopped")
    def schedule_disable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        job = self._job(target.name)
        if job is None:
            return Answer(Outcome.NOT_FOUND, _NONE)
        if job.next_run_time is not None:
            self._modify(job, next_run_time=None)
        self._keep_enabled(target.name, False)
        return Answer(Outcome.DONE)

    @verb(note="plan and arguments; a disabled one stays disabled")
    def schedule_edit(self, target: Target, params: Mapping[str, Any]) -> Answer:
        job = self._job(target.name)
        if job is None:
            return Answer(Outcome.NOT_FOUND, _NONE)
        try:
            trigger = wanted(params, zone_of(job.trigger) or self._zone())
            given = _arguments(params)
            if trigger is not None:
                trigger = self._as_coded(target.name, trigger)
                following = None if job.next_run_time is None else _following(trigger)
                given |= {"trigger": trigger, "next_run_time": following}
            self._modify(job, **given)
        except Impossible as why:
            return Answer(Outcome.FAILED, str(why))
        except (ValueError, TypeError):
            return Answer(Outcome.FAILED, _ARGUMENTS)
        self._keep_edit(target.name, trigger, params)
        return Answer(Outcome.DONE)

    @verb(note="one of the functions that its jobs have; it stays after a restart")
    def schedule_create(self, target: Target, params: Mapping[str, Any]) -> Answer:
        task, job = str(params.get("task", "")), self._job(target.name)
        if job is not None:
            same = target.again and self._is_of(job, task)
            return Answer(Outcome.DONE) if same else Answer(Outcome.FAILED, "There is a schedule of that key.")
        if task not in self.functions:
            return Answer(Outcome.FAILED, "The scheduler knows no function of that name.")
        try:
            trigger = wanted(params, self._zone())
            if trigger is None:
                raise Impossible("Say when: one of cron, every and at.")
            self._add(target.name, task, trigger, _arguments(params))
        except Impossible as why:
            return Answer(Outcome.FAILED, str(why))
        except ConflictingIdError:
            return Answer(Outcome.FAILED, "There is a schedule of that key.")
        except (ValueError, TypeError):
            return Answer(Outcome.FAILED, _ARGUMENTS)
        self.kept.put(target.name, Changes(made=task, **_asked(params, self._zone())))
        return Answer(Outcome.DONE)

    @verb(note="for good, also where the code adds it anew with each start")
    def schedule_delete(self, target: Target, params: Mapping[str, Any]) -> Answer:
        job, key = self._job(target.name), target.name
        if job is None:
            return Answer(Outcome.DONE) if target.again else Answer(Outcome.NOT_FOUND, _NONE)
        coded = self.coded.get(key)
        self._remove(job)
        self.made.discard(key)
        self.kept.put(key, Changes(gone=_definition(coded)) if coded is not None else Changes())
        return Answer(Outcome.DONE)

    @verb(note="beside its due times, by the same executor; its limit of instances does not count here")
    def schedule_run(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """By a job of its own that is gone when it has run: to move the next time of this one would move those after
        it, too.
        """
        job, task_id = self._job(target.name), target.new_task_id()
        if job is None:
            return Answer(Outcome.NOT_FOUND, _NONE)
        if self.scheduler.state != STATE_RUNNING:
            return Answer(Outcome.FAILED, _PAUSED)
        self.scheduler.add_job(
            job.func,
            DateTrigger(now()),
            args=job.args,
            kwargs=job.kwargs,
            id=ONCE + task_id,
            name=target.name,
            misfire_grace_time=None,
            executor=job.executor,
            jobstore=job._jobstore_alias or "default",
        )
        return Answer(Outcome.DONE, new_task_id=task_id)

    # After a restart.

    def apply(self, key: str, job: Any) -> None:
        """What people changed of a job that the code has just added."""
        changes = self.kept.of(key)
        if job is None or not changes:
            return
        if "gone" in changes:
            if changes["gone"] == _definition(self.coded[key]):
                self._remove(job)
            else:
                self.kept.forget(key)
            return
        given, trigger = _arguments(changes), None
        with suppress(Impossible):
            trigger = wanted(changes.get("plan", {}), self._zone())
        enabled = changes.get("enabled", job.next_run_time is not None)
        if trigger is not None:
            given["trigger"] = trigger
        if not enabled:
            given["next_run_time"] = None
        elif trigger is not None or job.next_run_time is None:
            given["next_run_time"] = _following(trigger or job.trigger)
        self._modify(job, **given)

    def make_again(self) -> None:
        """Schedules that people created, where the job store has forgotten them."""
        for key, changes in self.kept.made():
            self.made.add(key)
            if self._job(key) is not None:
                continue
            with safety.guard("apscheduler.make_again"):
                trigger = wanted(changes.get("plan", {}), self._zone())
                given = _arguments(changes)
                if not changes.get("enabled", True):
                    given["next_run_time"] = None
                if trigger is not None and changes["made"] in self.functions:
                    self._add(key, changes["made"], trigger, given)

    def removed(self, key: str, job_id: str) -> None:
        """A job is gone. By itself, since it has no further time, or by its own code: then what we keep of it is no
        use, unless the next start knows the same one again.
        """
        if job_id in self.removing:
            return
        changes = self.kept.of(key)
        if "made" in changes or self.keys.is_name(key):
            self.kept.forget(key)
            self.made.discard(key)
        self.keys.forget(job_id)

    # Words.

    def _job(self, key: str) -> Any:
        return self.scheduler.get_job(self.keys.job_id(key))

    def _zone(self) -> str:
        zone = self.scheduler.timezone
        return str(getattr(zone, "key", None) or getattr(zone, "zone", None) or zone or UTC)

    def _is_of(self, job: Any, task: str) -> bool:
        return task in self.functions and self.functions[task] == job.func

    def _modify(self, job: Any, **changes: Any) -> None:
        self.scheduler.modify_job(job.id, job._jobstore_alias, **changes)

    def _add(self, key: str, task: str, trigger: Any, given: Mapping[str, Any]) -> None:
        self.making.add(key)
        self.made.add(key)
        try:
            self.scheduler.add_job(self.functions[task], trigger, id=key, name=key, **given)
        except BaseException:
            self.made.discard(key)
            raise
        finally:
            self.making.discard(key)

    def _remove(self, job: Any) -> None:
        self.removing.add(job.id)
        try:
            with suppress(JobLookupError):
                self.scheduler.remove_job(job.id, job._jobstore_alias)
        finally:
            self.removing.discard(job.id)

    def _as_coded(self, key: str, trigger: Any) -> Any:
        """The trigger of the code, if it says the same."""
        coded = self.coded.get(key)
        return coded.trigger if coded is not None and _same(coded.trigger, trigger) else trigger

    def _keep_enabled(self, key: str, enabled: bool) -> None:
        changes, coded = self.kept.of(key), self.coded.get(key)
        changes["enabled"] = enabled
        if enabled and (coded is None or coded.enabled):
            del changes["enabled"]
        self.kept.put(key, changes)

    def _keep_edit(self, key: str, trigger: Any, params: Mapping[str, Any]) -> None:
        changes, coded = self.kept.of(key), self.coded.get(key)
        changes.update(_asked(params, zone_of(trigger) or self._zone()))
        if coded is not None and trigger is coded.trigger:
            changes.pop("plan", None)
        self.kept.put(key, changes)


def _following(trigger: Any) -> Any:
    """Its next time from now on; None when there is none."""
    moment = now()
    following = trigger.get_next_fire_time(None, moment)
    return following if following is not None and following >= moment else None


def _same(one: Any, other: Any) -> bool:
    plans = [{name: value for name, value in described(trigger).items() if name != "text"} for trigger in (one, other)]
    return plans[0] == plans[1] and plans[0]["plan"] != "other"


def _definition(coded: Coded) -> str:
    return f"{coded.task} {coded.trigger}"


def _arguments(params: Mapping[str, Any]) -> dict[str, Any]:
    if params.get("queue"):
        raise Impossible(_QUEUES)
    given: dict[str, Any] = {}
    for name, kind in (("args", list), ("kwargs", dict)):
        if params.get(name) is not None:
            if not isinstance(params[name], kind):
                raise Impossible(_ARGUMENTS)
            given[name] = params[name]
    return given


def _asked(params: Mapping[str, Any], zone: str) -> Changes:
    """As it is kept."""
    changes = cast(Changes, _arguments(params))
    plan = {name: params[name] for name in ("cron", "every", "at") if params.get(name) is not None}
    if plan:
        changes["plan"] = {**plan, "zone": str(params.get("zone") or zone)}
    return changes

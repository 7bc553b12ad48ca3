"""What people may ask of dramatiq-crontab. Each verb is APScheduler's, and kept: its jobs live in memory alone."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import dramatiq
from dramatiq import broker as brokers
from z4j_core import safety
from z4j_core.overrides import Overrides
from z4j_core.scheduler import Answer, Scheduler, Target, verb
from z4j_core.wire import Outcome

from z4j_periodiq.crontab_plans import Impossible, described, now, wanted, zone_of

_NONE: Final = "dramatiq-crontab has no job of that key."
_THERE: Final = "There is a schedule of that key."
_ARGUMENTS: Final = "The actor does not take these arguments."
_PLANS: Final = ("cron", "every")


@dataclass(frozen=True, slots=True)
class Coded:
    """A job as the code adds it."""

    trigger: Any
    actor: str

    def __str__(self) -> str:
        return f"{self.actor} {self.trigger}"


class CrontabVerbs(Scheduler):
    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler
        self.keys: dict[str, str] = {}
        self.coded: dict[str, Coded] = {}
        #: Keys of schedules that people created; ids of jobs that we are just adding.
        self.made: set[str] = set()
        self.making: set[str] = set()

    @verb(note="from its next due time on")
    def schedule_enable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        job = self._job(target.name)
        if job is None:
            return Answer(Outcome.NOT_FOUND, _NONE)
        if job.next_run_time is None:
            job.modify(next_run_time=_following(job.trigger))
        kept = self._overrides.get(target.name)
        kept.pop("disabled", None)
        return self._keep(target.name, kept)

    @verb(note="at once; what it has sent is not called back")
    def schedule_disable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        job = self._job(target.name)
        if job is None:
            return Answer(Outcome.NOT_FOUND, _NONE)
        job.pause()
        return self._keep(target.name, {**self._overrides.get(target.name), "disabled": True})

    @verb(note="plan and arguments; a disabled one stays disabled")
    def schedule_edit(self, target: Target, params: Mapping[str, Any]) -> Answer:
        job, key = self._job(target.name), target.name
        if job is None:
            return Answer(Outcome.NOT_FOUND, _NONE)
        try:
            changes = _arguments(params)
            trigger = wanted(params, zone_of(job.trigger))
        except Impossible as why:
            return Answer(Outcome.FAILED, str(why))
        kept, coded = {**self._overrides.get(key), **changes}, self.coded.get(key)
        if trigger is not None:
            kept["plan"] = _asked(params, zone_of(trigger))
            if coded is not None and _same(coded.trigger, trigger):
                trigger = coded.trigger
                del kept["plan"]
            following = None if job.next_run_time is None else _following(trigger)
            changes |= {"trigger": trigger, "next_run_time": following}
        try:
            job.modify(**changes)
        except (ValueError, TypeError):
            return Answer(Outcome.FAILED, _ARGUMENTS)
        return self._keep(key, kept)

    @verb(note="of an actor that the process knows; it stays after a restart")
    def schedule_create(self, target: Target, params: Mapping[str, Any]) -> Answer:
        task, job = str(params.get("task", "")), self._job(target.name)
        if job is not None:
            same = target.again and self._overrides.get(target.name).get("made") == task
            return Answer(Outcome.DONE) if same else Answer(Outcome.FAILED, _THERE)
        if task not in _actors():
            return Answer(Outcome.FAILED, "No actor is called that here.")
        try:
            trigger, given = wanted(params, str(self.scheduler.timezone)), _arguments(params)
            if trigger is None:
                raise Impossible("Say when: one of cron and every.")
            self._add(target.name, task, trigger, given)
        except Impossible as why:
            return Answer(Outcome.FAILED, str(why))
        except (ValueError, TypeError):
            return Answer(Outcome.FAILED, _ARGUMENTS)
        return self._keep(target.name, {"made": task, "plan": _asked(params, zone_of(trigger)), **given})

    @verb(note="for good, although the code adds it anew with each start")
    def schedule_delete(self, target: Target, params: Mapping[str, Any]) -> Answer:
        job, key = self._job(target.name), target.name
        if job is None:
            return Answer(Outcome.DONE) if target.again else Answer(Outcome.NOT_FOUND, _NONE)
        job.remove()
        if key in self.made:
            self.made.discard(key)
            self.keys.pop(job.id, None)
            return self._keep(key, {})
        return self._keep(key, {"gone": str(self.coded[key])})

    @verb(note="a message of its actor with the arguments of the schedule")
    def schedule_run(self, target: Target, params: Mapping[str, Any]) -> Answer:
        job = self._job(target.name)
        if job is None:
            return Answer(Outcome.NOT_FOUND, _NONE)
        actor: Any = job.func.__self__
        message = replace(actor.message(*job.args, **job.kwargs), message_id=target.new_task_id())
        actor.broker.enqueue(message)
        told = {"name": actor.actor_name, "queue": actor.queue_name}
        self.fired(target.name, message.message_id, asked=True, **told)
        return Answer(Outcome.DONE, new_task_id=message.message_id)

    # After a restart.

    def remember(self, key: str, job: Any) -> None:
        self.coded[key] = Coded(job.trigger, job.func.__self__.actor_name)

    def restore(self) -> None:
        """What people changed, on what the code has added, before anything of it fires."""
        for job in self.scheduler.get_jobs():
            if job.id in self.keys:
                with safety.guard("dramatiqcrontab.restore"):
                    self.apply(self.keys[job.id], job)
        for key, kept in self._overrides.all().items():
            if "made" in kept and self._job(key) is None and kept["made"] in _actors():
                with safety.guard("dramatiqcrontab.make_again"):
                    given = _arguments(kept) | ({"next_run_time": None} if kept.get("disabled") else {})
                    self._add(key, kept["made"], wanted(kept["plan"], "UTC"), given)

    def apply(self, key: str, job: Any) -> None:
        kept = self._overrides.get(key)
        if "gone" in kept:
            if kept["gone"] == str(self.coded.get(key)):
                job.remove()
            else:
                self._keep(key, {})
            return
        changes, trigger = _arguments(kept), None
        with suppress(Impossible):
            trigger = wanted(kept.get("plan", {}), "UTC")
        if trigger is not None:
            changes |= {"trigger": trigger, "next_run_time": _following(trigger)}
        if kept.get("disabled"):
            changes["next_run_time"] = None
        if changes:
            job.modify(**changes)

    # Words.

    def _job(self, key: str) -> Any:
        ids = [job_id for job_id, known in list(self.keys.items()) if known == key]
        return next((job for job in map(self.scheduler.get_job, ids) if job is not None), None)

    def _add(self, key: str, task: str, trigger: Any, given: Mapping[str, Any]) -> None:
        """Its id is no other's: the code's own have ids that APScheduler makes up."""
        job_id = f"z4j:{key}"
        self.making.add(job_id)
        try:
            self.scheduler.add_job(_actors()[task].send, trigger, id=job_id, name=key, **given)
            self.keys[job_id] = key
            self.made.add(key)
        finally:
            self.making.discard(job_id)

    @property
    def _overrides(self) -> Overrides:
        assert self.host is not None
        return Overrides(self.host.state, self.name)

    def _keep(self, key: str, kept: Mapping[str, Any]) -> Answer:
        self._overrides.put(key, kept)
        return Answer(Outcome.DONE)


def _actors() -> dict[str, dramatiq.Actor[Any, Any]]:
    broker = brokers.global_broker
    return dict(broker.actors) if broker is not None else {}


def _following(trigger: Any) -> Any:
    return trigger.get_next_fire_time(None, now())


def _same(one: Any, other: Any) -> bool:
    plans = [{name: value for name, value in described(trigger).items() if name != "text"} for trigger in (one, other)]
    return plans[0] == plans[1] and plans[0]["plan"] != "other"


def _asked(params: Mapping[str, Any], zone: str) -> dict[str, Any]:
    """A plan as it is kept."""
    return {name: params[name] for name in _PLANS if params.get(name) is not None} | {"zone": zone}


def _arguments(params: Mapping[str, Any]) -> dict[str, Any]:
    if params.get("queue"):
        raise Impossible("A job sends to the queue of its actor.")
    given: dict[str, Any] = {}
    for name, kind in (("args", list), ("kwargs", dict)):
        if params.get(name) is not None:
            if not isinstance(params[name], kind):
                raise Impossible(_ARGUMENTS)
            given[name] = params[name]
    return given

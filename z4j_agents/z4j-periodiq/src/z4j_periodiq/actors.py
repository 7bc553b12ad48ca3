"""periodiq as a scheduler: the actors of a broker that have a plan in their option `periodic`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any, ClassVar, Final, cast

import dramatiq
import pendulum
import z4j_core.scheduler
from dramatiq import broker as brokers
from dramatiq.middleware import Middleware
from periodiq import CronSpec, PeriodiqMiddleware
from z4j_core import safety
from z4j_core.overrides import Overrides
from z4j_core.safety import guarded
from z4j_core.scheduler import Answer, Host, Scheduler, Target, emulated, micros, verb
from z4j_core.timetable import Definition, ScheduleFacts, Skip, Ticking
from z4j_core.wire import Outcome

from z4j_periodiq import loop
from z4j_periodiq.process import process_name
from z4j_periodiq.specs import Impossible, Off, crontab, described, parsed, wanted

#: Of the messages that periodiq sends, and of its actors.
AT: Final = "scheduled_at"
PLAN: Final = "periodic"
_NOT_HERE: Final = "Only periodiq's own process can do this: what each actor's plan is, it alone knows."
_NONE: Final = "No actor of that name has a plan."
_SOON: Final = "before its next turn, which comes in time for the new plan"


def install(broker: dramatiq.Broker | None = None) -> bool:
    """Report the periodic actors of the broker, the global one when left out. False when no brain is configured. Opens
    no connection by itself.
    """
    return z4j_core.scheduler.attach(Periodiq(broker or dramatiq.get_broker()))


class Periodiq(Scheduler):
    name: ClassVar[str] = "periodiq"
    engine: ClassVar[str] = "dramatiq"
    lacks: ClassVar[Mapping[str, str]] = {
        "schedule_create": "periodiq knows the actors that have a plan in the code, and no others.",
        "schedule_delete": "The plan stands in the code: disable it here, or take it out there.",
    }

    def __init__(self, broker: Any) -> None:
        self.bound = self.broker = broker
        self.hooks: Hooks | None = None
        self._coded: dict[str, Any] = {}
        self._tick = 0

    @classmethod
    def find(cls) -> Periodiq | None:
        """The broker that this process has chosen. Asking Dramatiq would make one."""
        chosen = brokers.global_broker
        return cls(chosen) if chosen is not None else None

    def version(self) -> str:
        return version("periodiq")

    def install(self, host: Host) -> None:
        if self.host is not None:
            return
        super().install(host)
        self.hooks, self._tick = Hooks(self), micros()
        self.broker.add_middleware(self.hooks)
        if loop.is_here():
            for actor in list(self.broker.actors.values()):
                self.apply(actor)
            host.role("scheduler", process_name())

    def uninstall(self) -> None:
        if self.host is None:
            return
        self.broker.middleware.remove(self.hooks)
        for name, plan in self._coded.items():
            if name in self.broker.actors:
                self.broker.actors[name].options[PLAN] = plan
        self._coded.clear()
        self.hooks = None
        super().uninstall()

    # Reads.

    def obstacle(self, verb: str) -> str:
        """A message can be sent from anywhere."""
        here = verb == "schedule_run" or loop.is_here()
        return super().obstacle(verb) or ("" if here else _NOT_HERE)

    def running(self) -> Ticking | None:
        """While its alarm is set the loop is well. Without one it sends: for a moment, or for as long as its broker
        does not answer.
        """
        if not loop.is_here():
            return None
        if loop.sleeps():
            self._tick = micros()
        return Ticking(tick=self._tick)

    def schedules(self) -> Iterator[tuple[str, ScheduleFacts]]:
        with safety.guard("periodiq.alarm"):
            loop.set_alarm()
        for name, actor in list(self.broker.actors.items()):
            if PLAN in actor.options:
                yield name, self._facts(name, actor)

    def _facts(self, name: str, actor: Any) -> ScheduleFacts:
        plan, enabled = _plan(actor)
        where = {"task": name, "engine": self.engine, "queue": actor.queue_name}
        facts = {**described(plan), **where, "enabled": enabled, "definition": Definition.CODE}
        if not enabled:
            facts.pop("next", None)
        coded = self._coded.get(name, plan)
        if coded is not plan and str(coded) != str(plan):
            facts["code"] = str(coded)
        return cast(ScheduleFacts, facts)

    # Verbs.

    @emulated(note=_SOON)
    def schedule_enable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._change(target, {"enabled": True})

    @emulated(note="at once: periodiq looks at the plan before it sends")
    def schedule_disable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._change(target, {"enabled": False})

    @emulated(note=f"the plan, as a cron expression in the zone of periodiq's process; {_SOON}")
    def schedule_edit(self, target: Target, params: Mapping[str, Any]) -> Answer:
        actor = self._actor(target.name)
        if actor is None:
            return Answer(Outcome.NOT_FOUND, _NONE)
        try:
            wanted(params, self._coded.get(target.name, _plan(actor)[0]))
        except Impossible as why:
            return Answer(Outcome.FAILED, str(why))
        return self._change(target, {"cron": str(params["cron"])})

    @verb(note="a message without the time that it is for, as one that is sent by hand")
    def schedule_run(self, target: Target, params: Mapping[str, Any]) -> Answer:
        actor = self._actor(target.name)
        if actor is None:
            return Answer(Outcome.NOT_FOUND, _NONE)
        message = replace(actor.message(), message_id=target.new_task_id())
        self.broker.enqueue(message)
        self.fired(target.name, message.message_id, name=target.name, asked=True, queue=actor.queue_name)
        return Answer(Outcome.DONE, new_task_id=message.message_id)

    def _change(self, target: Target, changes: Mapping[str, Any]) -> Answer:
        actor = self._actor(target.name)
        if actor is None:
            return Answer(Outcome.NOT_FOUND, _NONE)
        kept = {**self._overrides.get(target.name), **changes}
        coded = self._coded.setdefault(target.name, _plan(actor)[0])
        if kept.get("enabled"):
            del kept["enabled"]
        if "cron" in kept and crontab(parsed(kept["cron"], coded)) == crontab(coded):
            del kept["cron"]
        self._overrides.put(target.name, kept)
        self._set(actor, coded, kept)
        loop.set_alarm()
        return Answer(Outcome.DONE)

    def apply(self, actor: Any) -> None:
        """What people changed, on an actor that the code has just made."""
        if PLAN not in actor.options or actor.actor_name in self._coded:
            return
        coded = self._coded[actor.actor_name] = actor.options[PLAN]
        with safety.guard("periodiq.apply"):
            self._set(actor, coded, self._overrides.get(actor.actor_name))

    def _set(self, actor: Any, coded: Any, kept: Mapping[str, Any]) -> None:
        """In one step: the loop may read it at any moment."""
        plan = parsed(kept["cron"], coded) if "cron" in kept else coded
        actor.options[PLAN] = plan if kept.get("enabled", True) else Off(plan)

    @property
    def _overrides(self) -> Overrides:
        assert self.host is not None
        return Overrides(self.host.state, self.name)

    def _actor(self, name: str) -> Any:
        actor = self.broker.actors.get(name)
        return actor if actor is not None and PLAN in actor.options else None


class Hooks(Middleware):
    """Hears of actors when they are made, of messages when periodiq has sent them, and of those that workers skip."""

    def __init__(self, scheduler: Periodiq) -> None:
        self._scheduler = scheduler

    @guarded("periodiq.actor")
    def after_declare_actor(self, broker: dramatiq.Broker, actor: Any) -> None:
        if loop.is_here():
            self._scheduler.apply(actor)

    @guarded("periodiq.enqueue")
    def after_enqueue(self, broker: dramatiq.Broker, message: Any, delay: int | None) -> None:
        """A retry keeps the time; workers make retries."""
        if AT in message.options and not message.options.get("retries") and loop.is_here():
            name, queue = message.actor_name, message.queue_name
            self._scheduler.fired(name, message.message_id, due=_due(message, broker), name=name, queue=queue)

    @guarded("periodiq.skip")
    def after_skip_message(self, broker: dramatiq.Broker, message: Any) -> None:
        delays = [one.skip_delay for one in broker.middleware if isinstance(one, PeriodiqMiddleware)]
        if AT in message.options and delays:
            age = time.time() - _time(message)
            if age > min(delays):
                self._scheduler.skipped(message.actor_name, _due(message, broker), Skip.LATE)


def _plan(actor: Any) -> tuple[Any, bool]:
    """The plan of an actor, and whether it is in force."""
    plan = actor.options[PLAN]
    return (plan.plan, False) if isinstance(plan, Off) else (plan, True)


def _due(message: Any, broker: dramatiq.Broker) -> int:
    """periodiq may have its first turn anywhere in a minute; what it sends then is due at the beginning of that."""
    actor: Any = broker.actors[message.actor_name]
    resolution = 60 if type(_plan(actor)[0]) is CronSpec else 1
    return int(_time(message) // resolution) * resolution * 1_000_000


def _time(message: Any) -> float:
    moment: Any = pendulum.parse(message.options[AT])
    return float(moment.timestamp())

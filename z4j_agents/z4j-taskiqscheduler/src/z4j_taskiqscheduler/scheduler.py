"""taskiq's scheduler: one process, any number of sources."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import threading
from collections.abc import Coroutine, Iterable
from concurrent.futures import TimeoutError as TooLate
from importlib.metadata import version
from typing import Any, ClassVar, Final, TypeVar

import taskiq
from taskiq.cli.scheduler.run import run_scheduler
from taskiq.schedule_sources import LabelScheduleSource
from z4j_core.redaction import Parameters
from z4j_core.safety import guard
from z4j_core.scheduler import Host, verb
from z4j_core.timetable import ScheduleFacts, Ticking

from z4j_taskiqscheduler.labels import NAME, Labels
from z4j_taskiqscheduler.places import Held, Place, place_of
from z4j_taskiqscheduler.plans import plan_of, written
from z4j_taskiqscheduler.verbs import NO_PLACE, QUEUE, Verbs
from z4j_taskiqscheduler.watch import Firing, Watch

T = TypeVar("T")

#: Seconds that the loop and the sources may take.
PATIENCE: Final = 2.0
#: Where a scheduler is started.
_HOMES: Final = {run_scheduler.__code__.co_filename, taskiq.TaskiqScheduler.startup.__code__.co_filename}


class Slow(Exception):
    """The scheduler's loop, or one of its sources, did not answer in time."""


class TaskiqScheduler(Verbs):
    name: ClassVar[str] = NAME
    engine: ClassVar[str] = "taskiq"

    def __init__(self) -> None:
        self.watch: Watch | None = None
        self.places: list[Place] = []
        self.loop: asyncio.AbstractEventLoop | None = None
        self._scheduler: taskiq.TaskiqScheduler | None = None
        self._looking = threading.RLock()

    def version(self) -> str:
        return version("taskiq")

    def install(self, host: Host) -> None:
        if self.host is None:
            super().install(host)
            if self._scheduler is not None:
                self._watch(self._scheduler)

    def uninstall(self) -> None:
        if self.watch is not None:
            self.watch.remove()
        for place in self.places:
            if isinstance(place, Labels):
                place.restore()
        self.watch, self.places = None, []
        super().uninstall()

    def serve(self, scheduler: taskiq.TaskiqScheduler) -> None:
        """`scheduler` is about to run in this process; its sources have been started."""
        with self._looking:
            if self._scheduler is None:
                self._scheduler = scheduler
                if self.host is not None:
                    self._watch(scheduler)

    def _watch(self, scheduler: taskiq.TaskiqScheduler) -> None:
        assert self.host is not None
        self.watch = Watch(scheduler, self._has_fired)
        state = self.host.state
        self.places = [
            Labels(source, state) if isinstance(source, LabelScheduleSource) else place_of(source)
            for source in scheduler.sources
        ]
        self.loop = asyncio._get_running_loop()
        if self.loop is not None:
            self.watch.begin(self.loop)

    def obstacle(self, verb: str) -> str:
        """Asked by the agent as the scheduler starts, in its loop: it is found then."""
        self._look()
        if self.watch is None:
            return "Only the process of taskiq scheduler has schedules."
        if verb == "schedule_create" and not any(place.takes for place in self.places):
            return NO_PLACE
        return ""

    def _look(self) -> None:
        if self._scheduler is None and self.host is not None:
            with guard("taskiqscheduler.look"):
                if (scheduler := _starting()) is not None:
                    self.serve(scheduler)

    @property
    def scheduler(self) -> taskiq.TaskiqScheduler:
        if self._scheduler is None:
            raise LookupError("no scheduler runs in this process")
        return self._scheduler

    def _in_loop(self, work: Coroutine[Any, Any, T]) -> T:
        """What is not done in time is not done later."""
        if self.loop is None:
            work.close()
            raise LookupError("the scheduler does not run")
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(PATIENCE)
        except TooLate as error:
            future.cancel()
            raise Slow from error

    # What it tells.

    @verb("whether its loop turns, once a second")
    def running(self) -> Ticking | None:
        if self.watch is None or not self.watch.tick:
            return None
        return {"tick": self.watch.tick, "every": 1_000_000, "host": platform.node(), "pid": os.getpid()}

    @verb("all sources of the scheduler; of lists in Redis one-shots, too, within a minute of their making")
    def schedules(self) -> Iterable[tuple[str, ScheduleFacts]]:
        return self._in_loop(self._all()) if self.loop is not None else []

    async def _all(self) -> list[tuple[str, ScheduleFacts]]:
        return [(held.task.schedule_id, self._facts(held)) for place in self.places for held in await place.held()]

    def _facts(self, held: Held) -> ScheduleFacts:
        task, broker = held.task, self.scheduler.broker
        assert self.host is not None and self.watch is not None
        known = broker.find_task(task.task_name)
        parameters = Parameters.of(known.original_func) if known is not None else Parameters()
        redactor = self.host.redactor.of(task.task_name, parameters)
        args, kwargs, _ = redactor.call(parameters, tuple(task.args), task.kwargs)
        queue = task.labels.get(QUEUE) or getattr(broker, "queue_name", "")
        facts: dict[str, Any] = {
            "task": task.task_name,
            "engine": self.engine,
            "enabled": held.enabled,
            "definition": held.place.definition,
            "queue": str(queue or ""),
            "args": args,
            "kwargs": kwargs,
            "cannot": held.place.cannot,
            **plan_of(task),
        }
        if (last := self.watch.last.get(task.schedule_id)) is not None:
            facts["last"] = last
        if held.code is not None and written(held.code) != written(task):
            facts["code"] = written(held.code)
        return {key: value for key, value in facts.items() if value not in ("", {}, None)}  # type: ignore[return-value]

    def _has_fired(self, firing: Firing, task_id: str) -> None:
        """In the scheduler's loop."""
        task = firing.task
        queue = str(task.labels.get(QUEUE) or getattr(self.scheduler.broker, "queue_name", "") or "")
        self.fired(task.schedule_id, task_id, due=firing.due, name=task.task_name, asked=firing.asked, queue=queue)


def _starting() -> taskiq.TaskiqScheduler | None:
    """The scheduler that is starting in this thread: taskiq hands it to nobody."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename in _HOMES:
            for name in ("self", "scheduler"):
                if isinstance(found := frame.f_locals.get(name), taskiq.TaskiqScheduler):
                    return found
        frame = frame.f_back  # type: ignore[assignment]
    return None

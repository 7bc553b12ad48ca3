"""What people may ask of a scheduler's schedules. Asked in the agent's thread, done in the scheduler's loop."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar

import taskiq
from taskiq import ScheduledTask
from taskiq.kicker import AsyncKicker
from z4j_core.scheduler import Answer, Scheduler, Target, emulated, micros, verb
from z4j_core.wire import Outcome

from z4j_taskiqscheduler.places import Held, Place
from z4j_taskiqscheduler.plans import Refused, at_of, wanted, written
from z4j_taskiqscheduler.watch import Firing, Watch, firing

T = TypeVar("T")

_UNKNOWN: Final = Answer(Outcome.NOT_FOUND, "No source of this scheduler has a schedule of that id.")
_LATER: Final = "The scheduler sees it when it reads its sources again, within its --update-interval."
NO_PLACE: Final = "None of this scheduler's sources takes new schedules."
#: The label in which taskiq sends the id of the schedule along, and the one that says where to.
_ID: Final = "schedule_id"
QUEUE: Final = "queue_name"


class Verbs(Scheduler):
    watch: Watch | None
    places: list[Place]

    @property
    @abstractmethod
    def scheduler(self) -> taskiq.TaskiqScheduler:
        """The one of this process. Raises where there is none."""

    @abstractmethod
    def _in_loop(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns in the loop of the scheduler."""

    async def _find(self, key: str) -> Held | None:
        found = [held for place in self.places for held in await place.held()]
        return next((held for held in found if held.task.schedule_id == key), None)

    @emulated(
        "the JSON that was kept is added again, or what stands in the code is put back into the scheduler's memory"
    )
    def schedule_enable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._change(target, "schedule_enable", self._enable)

    async def _enable(self, held: Held) -> Answer:
        if held.task.time is not None and at_of(held.task) <= micros():
            return Answer(Outcome.FAILED, "Its time has passed: give it another one.")
        if not held.enabled:
            await held.place.enable(held)
        return self._seen(held.task, anew=not held.enabled)

    @emulated("taken out of its source and kept beside it; one in the code is taken out of the scheduler's memory")
    def schedule_disable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._change(target, "schedule_disable", self._disable)

    async def _disable(self, held: Held) -> Answer:
        if held.enabled:
            await held.place.disable(held)
        return self._seen(held.task)

    @emulated(
        "deleted and added again under its id; one in the code is changed in the scheduler's memory, at each start"
    )
    def schedule_edit(self, target: Target, params: Mapping[str, Any]) -> Answer:
        async def edit(held: Held) -> Answer:
            task = _with(held.task, params)
            await held.place.replace(held, task)
            return self._seen(task, anew=written(task) != written(held.task)) if held.enabled else Answer(Outcome.DONE)

        return self._change(target, "schedule_edit", edit)

    def _change(self, target: Target, verb: str, change: Callable[[Held], Coroutine[Any, Any, Answer]]) -> Answer:
        async def work() -> Answer:
            held = await self._find(target.name)
            if held is None:
                return _UNKNOWN
            if verb in held.place.cannot:
                return Answer(Outcome.UNSUPPORTED, held.place.cannot[verb])
            try:
                return await change(held)
            except Refused as refused:
                return Answer(Outcome.FAILED, str(refused))

        return self._in_loop(work())

    @verb("added to the first source that takes schedules, for a task that the scheduler's process knows")
    def schedule_create(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._in_loop(self._create(target, params))

    async def _create(self, target: Target, params: Mapping[str, Any]) -> Answer:
        place = next((place for place in self.places if place.takes), None)
        known = self.scheduler.broker.find_task(str(params.get("task") or ""))
        try:
            if place is None:
                raise Refused(NO_PLACE)
            if known is None:
                raise Refused("The scheduler's process knows no task of that name.")
            plan = wanted(params)
            if not {"cron", "interval", "time"} & plan.keys():
                raise Refused("It takes a cron expression, an interval or a time.")
            labels = {name: value for name, value in known.labels.items() if name != "schedule"}
            labels |= {QUEUE: params["queue"]} if params.get("queue") else {}
            made = {
                "task_name": known.task_name,
                "schedule_id": target.name,
                "labels": labels,
                "args": [],
                "kwargs": {},
            }
            task = ScheduledTask.model_validate(made | plan)
            if (held := await self._find(target.name)) is not None:
                if target.again and held.task == task:
                    return Answer(Outcome.DONE)
                raise Refused("There is a schedule of that id.")
        except Refused as refused:
            return Answer(Outcome.FAILED, str(refused))
        await place.put(task)
        return self._seen(task, anew=True)

    @verb("deleted from its source; one in the code stays there: disable it")
    def schedule_delete(self, target: Target, params: Mapping[str, Any]) -> Answer:
        async def delete(held: Held) -> Answer:
            await held.place.delete(held)
            return self._seen(held.task)

        answer = self._change(target, "schedule_delete", delete)
        return Answer(Outcome.DONE) if target.again and answer.outcome == Outcome.NOT_FOUND else answer

    @emulated("its task is sent by the scheduler's broker, as the scheduler does it")
    def schedule_run(self, target: Target, params: Mapping[str, Any]) -> Answer:
        async def run() -> Answer:
            held = await self._find(target.name)
            if held is None:
                return _UNKNOWN
            task, task_id = held.task, target.new_task_id()
            firing.set(Firing(task, asked=True))  # in this context alone
            kicker: Any = AsyncKicker(task.task_name, self.scheduler.broker, dict(task.labels))
            await kicker.with_labels(**{_ID: task.schedule_id}).with_task_id(task_id).kiq(*task.args, **task.kwargs)
            return Answer(Outcome.DONE, new_task_id=task_id)

        return self._in_loop(run())

    def _seen(self, task: ScheduledTask, *, anew: bool = False) -> Answer:
        is_soon = self.watch is not None and self.watch.read_again(task.schedule_id, anew=anew)
        return Answer(Outcome.DONE, "" if is_soon else _LATER)


def _with(task: ScheduledTask, params: Mapping[str, Any]) -> ScheduledTask:
    change = wanted(params)
    if params.get("queue"):
        change["labels"] = {**task.labels, QUEUE: params["queue"]}
    return ScheduledTask.model_validate({**task.model_dump(), **change})

"""Schedules in the labels of tasks. They are read from the code as the scheduler starts; then it goes by what it has in
memory, and there they are taken out, put back and changed. What was wanted is kept, and applied at the next start.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, ClassVar, Final

from taskiq import ScheduledTask, ScheduleSource
from taskiq.schedule_sources import LabelScheduleSource
from z4j_core.safety import guard
from z4j_core.scheduler import Store
from z4j_core.timetable import Definition

from z4j_taskiqscheduler.places import Held, Place

NAME: Final = "taskiqscheduler"
IN_CODE: Final = "It stands in the labels of its task and comes back with the code: disable it, or take it out there."
_PREFIX: Final = f"schedule/{NAME}/"
#: What of a schedule people change.
_CHANGES: Final = ("cron", "cron_offset", "interval", "time", "args", "kwargs", "labels")

Wish = dict[str, Any]


class Labels(Place):
    definition: ClassVar[Definition] = Definition.CODE
    cannot: ClassVar[dict[str, str]] = {"schedule_delete": IN_CODE}

    def __init__(self, source: ScheduleSource, store: Store) -> None:
        super().__init__(source)
        self._store = store
        self._before: dict[str, ScheduledTask] = dict(self.source.schedules)
        self._code = _named(self.source)
        self._set(self._code)
        self._apply()

    def restore(self) -> None:
        self._set(self._before)

    async def held(self) -> Iterable[Held]:
        for key in [key for key, task in self._code.items() if task.time is not None]:
            if key in self._in_force and key not in self.source.schedules:
                del self._code[key]  # it was due once, and was sent
        wishes, found = self._apply(), []
        for key, code in self._code.items():
            wish = wishes.get(key, {})
            task = _changed(code, wish)
            found.append(Held(task, self, not wish.get("off"), code if task != code else None))
        return found

    async def replace(self, held: Held, task: ScheduledTask) -> None:
        code, now = (one.model_dump(mode="json") for one in (self._code[task.schedule_id], task))
        change = {name: now[name] for name in _CHANGES if now[name] != code[name]}
        self._wish(held, "change", change)

    async def disable(self, held: Held) -> None:
        self._wish(held, "off", True)

    async def enable(self, held: Held) -> None:
        self._wish(held, "off", False)

    def _wish(self, held: Held, part: str, value: Any) -> None:
        key = held.task.schedule_id
        wish = {**self._wishes().get(key, {}), part: value}
        if any(wish.values()):
            self._store.put(_PREFIX + key, json.dumps(wish).encode())
        else:
            self._store.delete(_PREFIX + key)
        self._apply()

    def _apply(self) -> dict[str, Wish]:
        wishes = self._wishes()
        wanted = {key: _changed(code, wishes.get(key, {})) for key, code in self._code.items()}
        self._set({key: task for key, task in wanted.items() if not wishes.get(key, {}).get("off")})
        return wishes

    def _wishes(self) -> dict[str, Wish]:
        found: dict[str, Wish] = {}
        for name, value in self._store.items(_PREFIX):
            with guard("taskiqscheduler.wish"):
                found[name.removeprefix(_PREFIX)] = dict(json.loads(value))
        return found

    def _set(self, tasks: dict[str, ScheduledTask]) -> None:
        """What the scheduler reads next time."""
        self._in_force = set(tasks)
        if self.source.schedules != tasks:
            self.source.schedules.clear()
            self.source.schedules.update(tasks)


def _changed(code: ScheduledTask, wish: Wish) -> ScheduledTask:
    change = wish.get("change")
    return ScheduledTask.model_validate({**code.model_dump(), **change}) if change else code


def _named(source: LabelScheduleSource) -> dict[str, ScheduledTask]:
    """Under ids that are the same at each start: taskiq draws one where the code gives none."""
    given = {one.get("schedule_id") for task in source.broker.get_all_tasks().values() for one in _written(task)}
    named: dict[str, ScheduledTask] = {}
    for key, task in source.schedules.items():
        number, name = 1, key if key in given else task.task_name
        while key not in given and (name in named or name in given):
            number += 1
            name = f"{task.task_name}#{number}"
        named[name] = task if name == key else task.model_copy(update={"schedule_id": name})
    return named


def _written(task: Any) -> list[dict[str, Any]]:
    return [one for one in task.labels.get("schedule", ()) if isinstance(one, dict)]

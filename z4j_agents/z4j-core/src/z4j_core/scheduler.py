"""The port between one scheduler and the agent of a process: what it tells of schedules, and what may be asked of it.

An adapter is a subclass of `Scheduler`, as that of an engine is one of `Engine`: `schedules` lists, each verb it can
carry out is a method it overrides, and `fired` is said whenever the scheduler has sent a task. It may live in the
process in which the scheduler runs (then `running` says so) or wherever the scheduler's own store can be reached.

Registered by entry point in group `z4j.schedulers`. The name of the entry is the module by whose import the agent
sees that the scheduler is in use: `"celery.beat" = "z4j_celerybeat:Beat"`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from z4j_core import safety
from z4j_core.adapter import Adapter, Answer, Host, Store, Target, attach
from z4j_core.timetable import ScheduleFacts, Skip, Ticking
from z4j_core.verbs import SCHEDULER_READS, SCHEDULER_VERBS, Support, emulated, verb
from z4j_core.wire import Kind, Source

__all__ = ["Answer", "Host", "Scheduler", "Store", "Support", "Target", "attach", "emulated", "verb"]

SCHEDULER_GROUP: Final = "z4j.schedulers"


class Scheduler(Adapter):
    """One scheduler in one process. Subclasses set `name` and `engine`, override `schedules` and the verbs they can do.

    A verb's `target.name` is the key of the schedule. DONE: it is in force, with the scheduler's next turn at the
    latest; `detail` says when, where that is not at once. What a restart of the scheduler would forget the adapter
    keeps in `host.state` (`z4j_core.overrides`) and applies again when it is installed or the scheduler starts.
    """

    #: Whose tasks it sends: the name of that engine.
    engine: ClassVar[str] = ""
    verbs: ClassVar[tuple[str, ...]] = tuple(SCHEDULER_VERBS)
    reads: ClassVar[tuple[str, ...]] = SCHEDULER_READS
    #: Set whenever the schedules may have changed: the agent lists them then, and every few seconds anyway.
    news: threading.Event | None = None

    # Reads. The agent asks from a thread of its own; each may talk to the user's store for up to 2 s.

    def running(self) -> Ticking | None:
        """That the scheduler itself runs in this process, and when its loop last turned. None: it does not."""
        return None

    def schedules(self) -> Iterable[tuple[str, ScheduleFacts]]:
        """Every schedule that can be seen from here, by its key; disabled ones, too."""
        raise NotImplementedError

    # Verbs.

    def schedule_enable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """Have it fire again, from its next due time on: nothing that was missed is made up for."""
        raise NotImplementedError

    def schedule_disable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """Have it not fire any more, also after a restart of the scheduler. It stays in the list, disabled."""
        raise NotImplementedError

    def schedule_edit(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """Change what `params` names and leave the rest: one plan, as `cron` (text) with `zone` (text), `every`
        (microseconds) or `at` (microseconds); `args` (a list) and `kwargs` (a dict) of plain JSON; `queue`. A disabled
        one stays disabled. FAILED, with a sentence, for a plan that the scheduler cannot keep.
        """
        raise NotImplementedError

    def schedule_create(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """Make a schedule with the key `target.name`: `params["task"]` and what `schedule_edit` takes. FAILED where
        there is one of that key, unless `target.again` and it is this one.
        """
        raise NotImplementedError

    def schedule_delete(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """Take it away for good. NOT_FOUND where there is none, but DONE if `target.again`."""
        raise NotImplementedError

    def schedule_run(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """Send its task once, now, with its own arguments, disabled or not; its next due time stays. `new_task_id`
        where it can be told. Say `fired(..., asked=True)`.
        """
        raise NotImplementedError

    # What the scheduler does by itself, told by hooks.

    def fired(
        self, key: str, task_id: str, *, due: int | None = None, name: str = "", asked: bool = False, queue: str = ""
    ) -> None:
        """It has sent a task. `due`: for when it was planned, microseconds. Tells of the task, too, so that it is known
        whose it is. From any thread; never raises.
        """
        data: dict[str, Any] = {"engine": self.engine}
        data |= {"due": due} if due is not None else {}
        data |= {"asked": True} if asked else {}
        told = {"name": name, "queue": queue, "schedule": key, "source": Source.LIVE}
        task = {part: value for part, value in told.items() if value}
        with safety.guard(f"{self.name}.fired"):
            self._emit({"kind": Kind.SCHEDULE_FIRED, "schedule": key, "task_id": task_id, "data": data})
            self._emit({"kind": Kind.TASK_ENQUEUED, "engine": self.engine, "task_id": task_id, **task})

    def skipped(self, key: str, due: int, why: Skip) -> None:
        """It was time, and the scheduler did not fire."""
        with safety.guard(f"{self.name}.skipped"):
            self._emit({"kind": Kind.SCHEDULE_SKIPPED, "schedule": key, "data": {"due": due, "why": why}})

    def _emit(self, event: Mapping[str, Any]) -> None:
        if self.host is not None:
            self.host.emit({"engine": self.name, **event})

    def changed(self) -> None:
        """The schedules are not what they were: have the agent list them soon. From any thread."""
        if self.news is not None:
            self.news.set()

    def act(self, verb: str, target: Target, params: Mapping[str, Any]) -> Answer:
        answer = super().act(verb, target, params)
        self.changed()
        return answer


Scheduler.of_port = Scheduler


def micros(seconds: float | None = None) -> int:
    """A Unix time in seconds, now when left out, in microseconds."""
    return int((time.time() if seconds is None else seconds) * 1_000_000)

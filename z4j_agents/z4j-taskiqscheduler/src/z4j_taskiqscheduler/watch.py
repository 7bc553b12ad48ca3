"""Where a scheduler is watched: a middleware of its broker tells what was sent, and its loop whether it turns."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import taskiq
from taskiq import ScheduledTask, TaskiqMessage, TaskiqMiddleware
from taskiq.cli.scheduler.run import SchedulerLoop
from z4j_core.safety import guard
from z4j_core.scheduler import micros

from z4j_taskiqscheduler.plans import SECOND, UTC, at_of, every_of

_MINUTE: Final = 60 * SECOND


@dataclass(slots=True)
class Firing:
    """What this context sends is the task of this schedule."""

    task: ScheduledTask
    due: int | None = None
    asked: bool = False


firing: ContextVar[Firing | None] = ContextVar("z4j_taskiqscheduler_firing", default=None)


class Sent(TaskiqMiddleware):
    def __init__(self, told: Callable[[Firing, str], None]) -> None:
        super().__init__()
        self._told = told

    def post_send(self, message: TaskiqMessage) -> None:
        with guard("taskiqscheduler.sent"):
            if (found := firing.get()) is not None:
                self._told(found, message.task_id)


class Watch:
    """`told` hears of each firing, with the id of its task."""

    def __init__(self, scheduler: taskiq.TaskiqScheduler, told: Callable[[Firing, str], None]) -> None:
        self._scheduler = scheduler
        self._sent = Sent(told)
        #: When the loop last turned, and when each schedule last fired.
        self.tick = 0
        self.last: dict[str, int] = {}
        #: From where the present interval of each is counted.
        self._since: dict[str, int] = {}
        self._loop: SchedulerLoop | None = None
        self._run: asyncio.Task[Any] | None = None
        self._turning: asyncio.Task[None] | None = None
        scheduler.broker.add_middlewares(self._sent)
        # On the instance, over the method of its class.
        scheduler.on_ready = self._on_ready(scheduler.on_ready)  # type: ignore[method-assign]

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the loop that the scheduler is started in."""
        self._turning = loop.create_task(self._turn())

    def remove(self) -> None:
        self._scheduler.broker.middlewares.remove(self._sent)
        vars(self._scheduler).pop("on_ready", None)
        if self._turning is not None and not self._turning.done():
            self._turning.get_loop().call_soon_threadsafe(self._turning.cancel)

    def _on_ready(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def on_ready(source: Any, task: ScheduledTask) -> None:
            token = firing.set(Firing(task, self._due(task)))
            try:
                await original(source, task)
            finally:
                firing.reset(token)

        return on_ready

    def _due(self, task: ScheduledTask) -> int | None:
        """For when the loop has planned what it sends now. An interval begins with the first time it fires."""
        now = micros()
        with guard("taskiqscheduler.due"):
            key, since = task.schedule_id, self._since.get(task.schedule_id)
            turn = self._loop.interval_tasks_last_run.get(key) if self._loop is not None else None
            self._since[key] = micros(turn.timestamp()) if turn is not None else now
            self.last[key] = now
            if sum(given is not None for given in (task.cron, task.interval, task.time)) > 1:
                return None
            if task.time is not None:
                return at_of(task)
            if task.cron is not None:
                return now - now % _MINUTE
            due = since + every_of(task) if since is not None else None
            return due if due is not None and abs(now - due) < every_of(task) else None
        return None

    # The loop itself.

    async def _turn(self) -> None:
        """Once a second, as long as it runs."""
        while True:
            with guard("taskiqscheduler.turn"):
                if self._run is None or self._run.done():
                    self._loop, self._run = _running()
                if self._loop is not None:
                    self.tick = micros()
            await asyncio.sleep(1)

    def read_again(self, key: str, *, anew: bool) -> bool:
        """Have the loop forget this schedule as it was, and read its sources at its next turn. `anew`: its plan begins
        now, and what was due before is not made up for. False: the loop will read when its --update-interval is over.
        """
        loop = self._loop
        if anew:
            self._since.pop(key, None)
        if loop is None:
            return False
        now = datetime.now(tz=UTC)
        if anew:
            loop.time_tasks_last_run.pop(key, None)
            loop.cron_tasks_last_run[key] = now.replace(second=0, microsecond=0)
            loop.interval_tasks_last_run[key] = now
            self._since[key] = micros(now.timestamp())
        loop.scheduled_tasks = [
            (source, [task for task in tasks if task.schedule_id != key]) for source, tasks in loop.scheduled_tasks
        ]
        loop.scheduled_tasks_updated_at = datetime.fromtimestamp(0, tz=UTC)
        return True


def _running() -> tuple[SchedulerLoop | None, asyncio.Task[Any] | None]:
    """taskiq hands its loop to nobody: it is found in the task that runs it."""
    for task in asyncio.all_tasks():
        waits: Any = task.get_coro()
        while waits is not None and (frame := getattr(waits, "cr_frame", None)) is not None:
            if isinstance(found := frame.f_locals.get("self"), SchedulerLoop):
                return found, task
            waits = waits.cr_await
    return None, None

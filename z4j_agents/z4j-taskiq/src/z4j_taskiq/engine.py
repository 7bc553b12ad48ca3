"""taskiq as an engine: what is connected to one broker, and what runs here."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Awaitable, Callable, Iterable
from importlib.metadata import version
from typing import Any, ClassVar

from taskiq import AsyncBroker
from z4j_core import registered
from z4j_core.engine import Advice, Engine, Host, verb
from z4j_core.safety import guard

from z4j_taskiq.actions import HELLO, Actions
from z4j_taskiq.advice import advice_on
from z4j_taskiq.dependencies import dependencies
from z4j_taskiq.facts import ENGINE, now, queue_of
from z4j_taskiq.hooks import Hooks
from z4j_taskiq.inlet import Inlet
from z4j_taskiq.stores import ListStore, store_of
from z4j_taskiq.workers import Slots


class TaskiqEngine(Actions):
    name: ClassVar[str] = ENGINE

    def __init__(self, broker: AsyncBroker) -> None:
        self.bound = self.broker = broker
        self.store = store_of(broker)
        self.hooks: Hooks | None = None
        self.inlet: Inlet | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.receiver: Any = None
        self.slots: Slots | None = None
        self._started = 0
        self._watch: asyncio.Task[None] | None = None

    @classmethod
    def find(cls) -> Engine | None:
        """Brokers are handed over: by `Z4J`, by `install`, or by the worker's receiver."""
        return None

    @classmethod
    def of(cls, broker: AsyncBroker) -> TaskiqEngine | None:
        """The adapter that is installed on a broker."""
        hooks = next((one for one in broker.middlewares if isinstance(one, Hooks)), None)
        return hooks.engine if hooks is not None and isinstance(hooks.engine, cls) else None

    def version(self) -> str:
        return version("taskiq")

    def install(self, host: Host) -> None:
        if self.host is not None:
            return
        super().install(host)
        self.hooks = Hooks(self)
        self.broker.add_middlewares(self.hooks)
        self.broker.register_task(_hello, task_name=HELLO)
        self.inlet = Inlet(self)
        # On the instance, over the method of its class.
        self.broker.listen = self.inlet.listen  # type: ignore[method-assign]

    def uninstall(self) -> None:
        if self.host is None or self.hooks is None:
            return
        del self.broker.listen
        self.broker.local_task_registry.pop(HELLO, None)
        self.broker.middlewares.remove(self.hooks)
        self.hooks = self.inlet = None
        super().uninstall()

    def serve(self, receiver: Any, max_prefetch: int) -> None:
        """This is what will run the tasks of the broker."""
        self.receiver = receiver
        self.slots = Slots(receiver, max_prefetch) if receiver.sem is not None else None

    async def begin(self) -> None:
        """The broker starts, in the loop of its process."""
        with guard("taskiq.begin"):
            if self.host is None or self.hooks is None or self.inlet is None:
                return
            if self.broker.is_worker_process:
                self.loop, self._started = asyncio.get_running_loop(), now()
                self.hooks.worker = self._name
                self.inlet.look()
                self._watch = self.loop.create_task(self.inlet.watch())
                self.host.role("worker", self._name)
            elif self.broker.is_scheduler_process:
                self.host.role("scheduler", self._name)

    async def end(self) -> None:
        """The broker is shut down: what it took has ended."""
        with guard("taskiq.end"):
            if self._watch is not None:
                self._watch.cancel()
            if self.host is not None and (self.broker.is_worker_process or self.broker.is_scheduler_process):
                self.host.stop()
                self.loop = None

    @property
    def _name(self) -> str:
        return f"{queue_of(self.broker)}@{platform.node()}:{os.getpid()}"

    @verb(note="from the worker itself; how much it runs at once is known with --receiver z4j_taskiq:Receiver")
    def worker(self) -> dict[str, Any] | None:
        if self.loop is None or self.hooks is None or self.inlet is None:
            return None
        size = {"size": self.slots.size} if self.slots is not None else {}
        runs = list(self.hooks.running.values())
        return {
            "name": self._name,
            "host": platform.node(),
            "pid": os.getpid(),
            "version": self.version(),
            "queues": [queue_of(self.broker), *(getattr(self.broker, "additional_streams", None) or ())],
            "concurrency": {"kind": "asyncio", **size},
            "running": [{"task_id": run.task_id, "name": run.event["name"], "started": run.started} for run in runs],
            "paused": [queue_of(self.broker)] if self.inlet.paused else [],
            "started": self._started,
        }

    def tasks(self) -> Iterable[dict[str, Any]]:
        """What taskiq gives to a task by its annotations is left out."""
        for name, task in list(self.broker.get_all_tasks().items()):
            if name != HELLO:
                function = task.original_func
                yield registered.describe(name, function, task, given=dependencies(function))

    @verb(note="reads the settings of the broker, its result backend and its worker")
    def advice(self) -> Iterable[Advice]:
        return advice_on(self.broker, self.store, self.receiver)

    # What hooks and inlet ask for, in the loop.

    def refuse(self, task_id: str) -> None:
        if self.inlet is not None:
            self.inlet.mark(task_id)

    def forget(self, task_id: str) -> None:
        if self.inlet is not None:
            self.inlet.forget(task_id)

    def giving_back(self) -> Callable[[bytes], Awaitable[Any]] | None:
        """How a message that was just taken goes back to where it was; None where that would change the order."""
        store, queue = self.store, queue_of(self.broker)
        return (lambda raw: store.give_back(queue, raw)) if isinstance(store, ListStore) else None


async def _hello() -> str:
    return "hello"

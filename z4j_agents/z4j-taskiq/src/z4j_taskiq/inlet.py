"""What stands between a broker and its worker: holds messages back while paused, and lets cancelled ones go by.

It is put over `broker.listen` of the one broker, and lives in the loop of the worker. What was asked is kept in
`host.state`, which the workers of a machine share and which outlives them; each looks there once a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final, Protocol

from taskiq import AsyncBroker, TaskiqMessage
from taskiq.acks import AckableMessage
from taskiq.utils import maybe_awaitable
from z4j_core.engine import Host
from z4j_core.safety import guard, guarded

from z4j_taskiq.facts import queue_of, raw_of
from z4j_taskiq.hooks import Hooks

PAUSE: Final = "taskiq.pause."
CANCEL: Final = "taskiq.cancel."
#: Seconds between two looks at what was asked.
LOOKS_EVERY: Final = 1.0
#: Seconds after which nobody waits for a cancelled message any more.
MARK_LIFE: Final = 7 * 24 * 3600

Message = bytes | AckableMessage


class Owner(Protocol):
    """What the inlet needs of the engine."""

    broker: AsyncBroker
    host: Host | None
    hooks: Hooks | None

    def stop_run(self, task_id: str) -> None: ...
    def giving_back(self) -> Callable[[bytes], Awaitable[Any]] | None: ...


class Inlet:
    def __init__(self, engine: Owner) -> None:
        self.engine = engine
        #: Tasks that are not to run.
        self.marks: set[str] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._looked = 0.0
        self._listens = engine.broker.listen

    @property
    def paused(self) -> bool:
        return not self._open.is_set()

    async def listen(self) -> AsyncGenerator[Message, None]:
        """The broker's own, without what is not to run."""
        inner = self._listens()
        try:
            while True:
                await self._open.wait()
                try:
                    message = await inner.__anext__()
                except StopAsyncIteration:
                    return
                if await self._admits(message):
                    yield message
        finally:
            await inner.aclose()

    async def _admits(self, message: Message) -> bool:
        with guard("taskiq.inlet"):
            if time.monotonic() - self._looked > LOOKS_EVERY / 4:
                self.look()
            if self.paused and await self._gave_back(message):
                return False
            await self._open.wait()
            opened = self._opened(message)
            if opened is not None and self.engine.hooks is not None:
                if opened.task_id in self.marks:
                    await self._drop(opened, message)
                    return False
                self.engine.hooks.received(opened, raw_of(message))
        return True

    async def drops(self, message: Message) -> bool:
        """Whether a message that the worker had taken before it was cancelled has been let go."""
        if not self.marks:
            return False
        with guard("taskiq.drop"):
            opened = self._opened(message)
            if opened is not None and opened.task_id in self.marks:
                await self._drop(opened, message)
                return True
        return False

    async def _drop(self, opened: TaskiqMessage, message: Message) -> None:
        if isinstance(message, AckableMessage):
            await maybe_awaitable(message.ack())
        self.forget(opened.task_id)
        if self.engine.hooks is not None:
            self.engine.hooks.dropped(opened, raw_of(message))

    async def _gave_back(self, message: Message) -> bool:
        """One that arrived just as the worker was paused. Whoever can, puts it where it was."""
        back = self.engine.giving_back()
        if back is None:
            return False
        await back(raw_of(message))
        return True

    def _opened(self, message: Message) -> TaskiqMessage | None:
        """None for what taskiq cannot read either, and says so itself."""
        try:
            opened = self.engine.broker.formatter.loads(raw_of(message))
            opened.parse_labels()
        except Exception:
            return None
        return opened

    # What was asked.

    async def watch(self) -> None:
        """Until the worker ends: it may have been asked of another process of this machine."""
        while True:
            self.look()
            await asyncio.sleep(LOOKS_EVERY)

    async def look_now(self) -> None:
        """In the loop, for a thread that has just asked for something."""
        self.look()

    @guarded("taskiq.look")
    def look(self) -> None:
        host = self.engine.host
        if host is None:
            return
        self._looked = time.monotonic()
        if host.state.get(PAUSE + queue_of(self.engine.broker)) is None:
            self._open.set()
        else:
            self._open.clear()
        oldest = time.time() - MARK_LIFE
        marks = {key[len(CANCEL) :]: float(value) for key, value in host.state.items(CANCEL)}
        for task_id in [one for one, at in marks.items() if at < oldest]:
            host.state.delete(CANCEL + task_id)
            del marks[task_id]
        self.marks = set(marks)
        for task_id in marks:
            self.engine.stop_run(task_id)

    def mark(self, task_id: str) -> None:
        """It is not to run, by no worker of this machine, whenever its message comes."""
        self.marks.add(task_id)
        if self.engine.host is not None:
            self.engine.host.state.put(CANCEL + task_id, str(time.time()).encode())

    def forget(self, task_id: str) -> None:
        self.marks.discard(task_id)
        if self.engine.host is not None:
            self.engine.host.state.delete(CANCEL + task_id)

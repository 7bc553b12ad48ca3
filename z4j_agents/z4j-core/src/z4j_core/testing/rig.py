"""What an adapter's test supplies: how to start the engine, send a task and look at it.

The rig's app has these tasks: `ok(x)` returns, and is marked as idempotent; `fail(x)` raises ValueError; `flaky(times)`
fails that often and is tried again 2 times at most, a second later; `slow(seconds)` sleeps; `die()` kills its own
process; `login(user, password)` raises an error that holds its password; `count(name)` appends a line to the file
`name` in the rig's folder; `hold(name)` runs until the file `name` is in that folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Protocol

from z4j_core.engine import Engine
from z4j_core.fold import Row, fold, order_key
from z4j_core.policy import Mode
from z4j_core.testing.needs import Fitted
from z4j_core.testing.recording import PATIENCE, Records, wait_for
from z4j_core.wire import Outcome, State

TAKEN = (Outcome.REQUESTED, Outcome.DONE)


class Rig(Protocol):
    """One engine with its broker and its worker or workers, all real."""

    folder: Path
    records: Records
    #: How many tasks one worker runs at once, and how many run at once here.
    size: int
    slots: int
    #: The queue that tasks go to and the worker takes from.
    queue: str

    def send(self, task: str, *args: Any, **options: Any) -> str:
        """Send a task as a producer with the adapter does; the id. Options every engine has: `delay` and `expires` in
        seconds, `headers`; where an engine lacks one (see `needs.LIVES`), no test gives it.
        """

    def send_unseen(self, task: str, *args: Any) -> str:
        """Send a task as a producer without the adapter does."""

    def engine(self) -> Engine:
        """A new adapter, not installed."""

    def cycle(self) -> Callable[[], object]:
        """Runs one `ok` task in this process through the engine's own execution path, and returns its result."""

    def fingerprint(self) -> object:
        """All of the engine that an adapter may hook into, comparable with ==."""

    def restart(self, mode: str = Mode.SHAPES) -> None:
        """Stop the worker as its owner would, and start it again with this redaction mode."""

    def running(self) -> bool:
        """Whether the process of the worker is there."""

    def ensure(self) -> None:
        """Start the worker if it is not running: after a test that stopped it."""


class Suite(Fitted):
    """Needs the fixture `rig`."""

    #: How a task ends whose last attempt failed.
    failed: ClassVar[State] = State.FAILED
    #: Seconds by which the engine may start a delayed task too early: the resolution of its clock.
    early: ClassVar[float] = 0.1

    def row(self, rig: Rig, task_id: str) -> Row:
        events = [(order_key(event, "boot"), event) for event in rig.records.events(task_id)]
        return fold(None, sorted(events, key=lambda pair: pair[0]))

    def becomes(self, rig: Rig, task_id: str, *states: State, timeout: float = PATIENCE) -> Row:
        def reached() -> Row | None:
            row = self.row(rig, task_id)
            return row if row["state"] in states and rig.records.events(task_id) else None

        what = f"{' or '.join(states)}; told so far: {[event['kind'] for event in rig.records.events(task_id)]}"
        return wait_for(reached, timeout, what)  # type: ignore[no-any-return]

    @contextmanager
    def held(self, rig: Rig, count: int, *, begun: int | None = None, task: str = "hold") -> Iterator[list[str]]:
        """Tasks that a worker has begun, all or so many of them, and that run until the block is left."""
        name = f"let-go-{time.monotonic_ns()}"
        try:
            sent = [rig.send(task, name) for _ in range(count)]
            wait_for(lambda: self._begun(rig, sent) >= (count if begun is None else begun), what="tasks at work")
            yield sent
        finally:
            (rig.folder / name).touch()

    def _begun(self, rig: Rig, sent: list[str]) -> int:
        return sum(self.row(rig, task_id)["state"] == State.STARTED for task_id in sent)

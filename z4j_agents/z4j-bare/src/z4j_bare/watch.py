"""What nobody tells us by itself: how long the queues are, what waits in them, and what became of tasks in doubt.

A thread of the worker's home process, beside the poller. It talks to the user's broker by the engine's own connections
and holds nothing of ours meanwhile, so a fork does not wait for it; a forked child has no such thread.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Final

from z4j_core import safety, wire
from z4j_core.engine import Engine

from z4j_bare import looks
from z4j_bare.problems import Problems

#: Seconds between two measurements of the queues, and between two lists of what waits in them.
EVERY: Final = 15.0
PEEK_EVERY: Final = 30.0
#: Seconds after the start of a worker in which the first measurement falls.
FIRST: Final = 2.0
#: Messages asked of one queue, ids remembered so that each is told once, queues told of one engine.
PEEK: Final = 100
REMEMBERED: Final = 10_000
QUEUES: Final = 200
#: Seconds in which an engine is asked about one batch of tasks; what comes in between is dropped.
LOOKS_EVERY: Final = 10.0
#: Answers of the brain that may wait here.
WAITING: Final = 10
#: Errors that speak of an adapter, not of a broker.
_OURS: Final = (TypeError, AttributeError, LookupError, NotImplementedError, AssertionError, ImportError)


class Watch:
    """`put` reports an event, `say` tells anew who we are, `away` is true while the brain takes nothing."""

    def __init__(
        self,
        engines: Mapping[str, Engine],
        problems: Problems,
        put: looks.Put,
        say: Callable[[], None],
        away: Callable[[], bool],
    ) -> None:
        self._engines = engines
        self._problems = problems
        self._put = put
        self._say = say
        self._away = away
        self._looked: dict[str, float] = {}
        self._asked: SimpleQueue[Sequence[wire.Look]] = SimpleQueue()
        self._told: OrderedDict[tuple[Any, ...], None] = OrderedDict()
        self._measure_at = time.monotonic() + random.uniform(0, FIRST)  # noqa: S311 - spreads load, guards nothing
        self._peek_at = 0.0
        self._news = False
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="z4j-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def look(self, asked: Sequence[wire.Look]) -> None:
        """The brain wonders about these. It asks again later what it asks too often, or while a broker keeps us
        waiting: whoever sends questions cannot keep a user's broker busy. Called by one thread.
        """
        if self._asked.qsize() >= WAITING:
            return
        now = time.monotonic()
        for name, batch in looks.by_engine(asked).items():
            if name in self._engines and now - self._looked.get(name, -LOOKS_EVERY) >= LOOKS_EVERY:
                self._looked[name] = now
                self._asked.put(batch)

    def end(self) -> None:
        self._ended = True
        self._asked.put(())

    def _run(self) -> None:
        while not self._ended:
            with safety.guard("watch"):
                self._round()

    def _round(self) -> None:
        with contextlib.suppress(Empty):
            asked = self._asked.get(timeout=max(self._measure_at - time.monotonic(), 0.01))
            looks.answer_all(asked, self._engines, self._put)
        if self._ended or time.monotonic() < self._measure_at:
            return
        self._measure_at = time.monotonic() + EVERY * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load
        if not self._away():
            self._measure()

    def _measure(self) -> None:
        peeks = time.monotonic() >= self._peek_at
        if peeks:
            # A little less, so that every second measurement is one of them.
            self._peek_at = time.monotonic() + PEEK_EVERY * 0.75
        for engine in list(self._engines.values()):
            names = list(self._queues(engine)) if _offers(engine, "queues") else []
            if peeks and names and _offers(engine, "peek"):
                self._peek(engine, names)
        if self._news:
            self._news = False
            self._say()

    def _queues(self, engine: Engine) -> Iterator[str]:
        """Report the queues; the names of those that were seen."""
        with self._reading(engine, "queues"):
            for facts in itertools.islice(engine.queues(), QUEUES):
                self._put(
                    {
                        "kind": wire.Kind.QUEUE_SNAPSHOT, "engine": engine.name,
                        "queue": facts["name"], "data": dict(facts),
                    }
                )  # fmt: skip
                yield facts["name"]

    def _peek(self, engine: Engine, names: Sequence[str]) -> None:
        with self._reading(engine, "peek"):
            for name in names:
                for event in itertools.islice(engine.peek(name, PEEK), PEEK):
                    if not self._ended and self._is_new(engine.name, event):
                        source = {"engine": engine.name, "source": wire.Source.RECONCILE}
                        self._put({**event, **source})

    def _is_new(self, engine: str, event: Mapping[str, Any]) -> bool:
        """Told once by this process: a place in a queue, or among the dead letters, of one attempt."""
        key = (engine, event["task_id"], event["kind"], event.get("attempt"))
        if key in self._told:
            self._told.move_to_end(key)
            return False
        self._told[key] = None
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        return True

    @contextlib.contextmanager
    def _reading(self, engine: Engine, read: str) -> Iterator[None]:
        """What an engine's broker raises is counted, and told as a problem until the read works again."""
        try:
            yield
        except Exception as error:
            safety.record(f"{engine.name}.{read}", error)
            what = type(error).__name__
            if isinstance(error, _OURS):
                text = (
                    f"The adapter of {engine.name} fails to tell its {read} ({what}); tasks are observed all the same."
                )
                self._news |= self._problems.tell(engine.name, "read_failed", text, read)
            else:
                text = f"The broker of {engine.name} does not answer this worker ({what}): its queues are not measured."
                self._news |= self._problems.tell(engine.name, "broker_down", text, read)
        else:
            self._news |= self._problems.over(engine.name, read)


def _offers(engine: Engine, read: str) -> bool:
    return engine.defines(read) and not engine.obstacle(read)

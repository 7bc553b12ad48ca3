"""Which schedules there are, told when they change; and that a scheduler that runs here is alive.

A thread of the home process of a worker or scheduler. It asks the user's store by the scheduler's own connections and
holds nothing of ours meanwhile, so a fork does not wait for it; a forked child has no such thread.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from z4j_core import safety, wire
from z4j_core.scheduler import Scheduler, micros
from z4j_core.timetable import Plan, ScheduleFacts

from z4j_bare.looks import Put
from z4j_bare.problems import Problems

#: Seconds between two listings, between two heartbeats, and between two times at which everything is told.
EVERY: Final = 5.0
BEAT_EVERY: Final = 10.0
ALL_EVERY: Final = 600.0
#: Schedules told of one scheduler.
MOST: Final = 5_000
#: What changes with each firing, and can be worked out from these plans.
_MOVING: Final = ("next", "last")
_REGULAR: Final = (Plan.CRON, Plan.INTERVAL)
_OURS: Final = (TypeError, AttributeError, LookupError, NotImplementedError, AssertionError, ImportError)


class Listing:
    """`put` reports an event, `say` tells anew who we are, `away` is true while the brain takes nothing,
    `discover` looks for schedulers that have come into use, `name` is that of this process.
    """

    def __init__(
        self,
        schedulers: Mapping[str, Scheduler],
        problems: Problems,
        put: Put,
        say: Callable[[], None],
        away: Callable[[], bool],
        discover: Callable[[], None],
        name: str,
    ) -> None:
        self._schedulers = schedulers
        self._problems = problems
        self._put = put
        self._say = say
        self._away = away
        self._discover = discover
        self._name = name
        self._modules = 0
        self._told: dict[str, dict[str, str]] = {}
        self._all_at: dict[str, float] = {}
        self._beat_at = 0.0
        self._news = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="z4j-listing", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ended = True
        self._news.set()

    def _run(self) -> None:
        while not self._ended:
            with safety.guard("listing"):
                self._round()
            self._news.wait(EVERY)
            self._news.clear()

    def _round(self) -> None:
        if self._away():
            return
        if len(sys.modules) != self._modules:
            self._modules = len(sys.modules)
            self._discover()
        beats = time.monotonic() >= self._beat_at
        self._beat_at = time.monotonic() + BEAT_EVERY * 0.9 if beats else self._beat_at
        for scheduler in list(self._schedulers.values()):
            scheduler.news = self._news
            if beats:
                self._beat(scheduler)
            if scheduler.defines("schedules") and not scheduler.obstacle("schedules"):
                self._list(scheduler)

    def _beat(self, scheduler: Scheduler) -> None:
        with safety.guard(f"{scheduler.name}.running"):
            if (ticking := scheduler.running()) is not None:
                version = {"version": scheduler.version()}
                kind = wire.Kind.SCHEDULER_HEARTBEAT
                data = {**version, **ticking}
                self._put({"kind": kind, "engine": scheduler.name, "worker": self._name, "data": data})

    def _list(self, scheduler: Scheduler) -> None:
        began, name = micros(), scheduler.name
        try:
            found = dict(itertools.islice(scheduler.schedules(), MOST))
        except Exception as error:
            self._failed(scheduler, error)
            return
        if self._problems.over(name, "schedules"):
            self._say()
        every = time.monotonic() >= self._all_at.get(name, 0.0)
        before = {} if every else self._told.get(name, {})
        digests = {key: _digest(facts) for key, facts in found.items()}
        for key, facts in found.items():
            if digests[key] != before.get(key):
                self._tell(wire.Kind.SCHEDULE_TOLD, name, schedule=key, data=dict(facts))
        for key in self._told.get(name, {}).keys() - found.keys():
            self._tell(wire.Kind.SCHEDULE_GONE, name, schedule=key)
        self._told[name] = digests
        if every:
            self._all_at[name] = time.monotonic() + ALL_EVERY
            self._tell(wire.Kind.SCHEDULE_LISTED, name, data={"count": len(found), "began": began})

    def _tell(self, kind: wire.Kind, engine: str, **told: Any) -> None:
        self._put({"kind": kind, "engine": engine, **told})

    def _failed(self, scheduler: Scheduler, error: Exception) -> None:
        """Told as a problem until it works again."""
        safety.record(f"{scheduler.name}.schedules", error)
        what = type(error).__name__
        if isinstance(error, _OURS):
            code, text = "read_failed", f"The adapter of {scheduler.name} fails to list its schedules ({what})."
        else:
            code, text = "broker_down", f"The store of {scheduler.name} does not answer this process ({what})."
        if self._problems.tell(scheduler.name, code, text, "schedules"):
            self._say()


def _digest(facts: ScheduleFacts) -> str:
    """What has to be told again when it is another."""
    regular = facts["plan"] in _REGULAR
    kept = {name: value for name, value in facts.items() if not (regular and name in _MOVING)}
    return json.dumps(kept, sort_keys=True, default=str)

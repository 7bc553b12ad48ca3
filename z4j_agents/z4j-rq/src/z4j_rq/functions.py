"""The functions that jobs run. RQ registers none: a job names what is to be imported.

Known are those that a module here has made a job of with RQ's decorator, and those that a worker of this host has run;
of the latter the process that ran one wrote down what it takes, since it alone has imported it. Nothing else is ever
run because somebody asked for it by name.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, Final

from rq.job import Job
from z4j_core import registered
from z4j_core.engine import Store
from z4j_core.safety import guard, guarded
from z4j_core.wire import HELLO_NAME

SEEN: Final = "rq.function."
_QUEUE: Final = "queue"


class Functions:
    def __init__(self, state: Store) -> None:
        self._state = state
        self._seen: dict[str, dict[str, Any]] = {}

    @guarded("rq.functions")
    def recall(self) -> None:
        """What was seen before this worker started."""
        for key, value in self._state.items(SEEN):
            self._seen[key.removeprefix(SEEN)] = json.loads(value)

    @guarded("rq.known")
    def took(self, name: str) -> None:
        """In the worker, before it forks: what another process wrote down need not be written down again."""
        if name and name not in self._seen and (value := self._state.get(SEEN + name)) is not None:
            self._seen[name] = json.loads(value)

    @guarded("rq.function")
    def ran(self, job: Job) -> None:
        """In the process that runs it, which has imported the function."""
        name = str(job.func_name or "")
        if "." not in name or job.instance is not None:
            return
        facts = {**registered.describe(name, job.func), _QUEUE: job.origin}
        if self._seen.get(name) != facts:
            self._seen[name] = facts
            self._state.put(SEEN + name, json.dumps(facts).encode())

    def all(self) -> dict[str, dict[str, Any]]:
        """By name. Those that a decorator of RQ's made come with what is loaded now."""
        self.recall()
        found = dict(self._seen)
        with guard("rq.decorated"):
            found |= dict(_decorated())
        return {name: facts for name, facts in found.items() if not HELLO_NAME.fullmatch(name)}


def told(facts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if key != _QUEUE}


def queue_of(facts: dict[str, Any]) -> str:
    return str(facts.get(_QUEUE) or "")


def _decorated() -> Iterator[tuple[str, dict[str, Any]]]:
    """RQ's decorator puts `delay` on the function."""
    for module in list(sys.modules.values()):
        for value in list(getattr(module, "__dict__", {}).values()):
            attributes = getattr(value, "__dict__", None) if type(value).__name__ == "function" else None
            delay = attributes.get("delay") if attributes else None
            if getattr(delay, "__module__", None) == "rq.decorators":
                name = f"{value.__module__}.{value.__qualname__}"
                queue = _closed_over(delay)
                yield name, {**registered.describe(name, value), _QUEUE: queue}


def _closed_over(delay: Any) -> str:
    """The queue of the decorator, found in the closure of what it put there."""
    for cell in getattr(delay, "__closure__", None) or ():
        queue = getattr(cell.cell_contents, "queue", None)
        if queue is not None:
            return str(getattr(queue, "name", queue))
    return ""

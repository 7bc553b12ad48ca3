"""What people changed, kept on this side: a restart forgets it, and code that adds its jobs anew undoes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, TypedDict

from z4j_core.scheduler import Store

PREFIX: Final = "schedule/apscheduler/"


class Changes(TypedDict, total=False):
    """Of one schedule. `plan`, `args` and `kwargs` as `schedule_edit` takes them; `made`: the task of one that people
    created; `gone`: what was deleted, so that another one of the same key may be there.
    """

    enabled: bool
    plan: dict[str, Any]
    args: list[Any]
    kwargs: dict[str, Any]
    made: str
    gone: str


class Kept:
    def __init__(self, state: Store) -> None:
        self._state = state

    def of(self, key: str) -> Changes:
        blob = self._state.get(PREFIX + key)
        found: Changes = json.loads(blob) if blob else {}
        return found

    def put(self, key: str, changes: Changes) -> None:
        if changes:
            self._state.put(PREFIX + key, json.dumps(changes).encode())
        else:
            self._state.delete(PREFIX + key)

    def forget(self, key: str) -> None:
        self._state.delete(PREFIX + key)

    def made(self) -> Iterator[tuple[str, Changes]]:
        """Those that people created."""
        for key, blob in self._state.items(PREFIX):
            changes: Changes = json.loads(blob)
            if "made" in changes:
                yield key.removeprefix(PREFIX), changes

"""What people changed, kept on this side: a restart forgets it, and code that adds its jobs anew undoes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypedDict, cast

from z4j_core.overrides import Overrides


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


class Kept(Overrides):
    def of(self, key: str) -> Changes:
        return cast(Changes, self.get(key))

    def made(self) -> Iterator[tuple[str, Changes]]:
        """Those that people created."""
        for key, changes in self.all().items():
            if "made" in changes:
                yield key, cast(Changes, changes)

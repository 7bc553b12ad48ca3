"""What people changed of schedules and a restart of beat would forget: kept beside them, and applied again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from z4j_core.adapter import Store

PREFIX: Final = "schedule/"

#: `enabled` (only when False), `edit` (what schedule_edit was given, all of it together), `task` (it was made here) and
#: of such a one `last` (its last run, seconds since the epoch).
Kept = dict[str, Any]


class Overrides:
    """Of one source. A store that fails remembers nothing: then the change lasts until beat ends."""

    def __init__(self, store: Store, source: str) -> None:
        self._store = store
        self._prefix = f"{PREFIX}{source}/"

    def get(self, key: str) -> Kept:
        found = self._store.get(self._prefix + key)
        return dict(json.loads(found)) if found else {}

    def put(self, key: str, kept: Kept) -> None:
        """Nothing to keep is nothing kept."""
        if kept:
            self._store.put(self._prefix + key, json.dumps(kept).encode())
        else:
            self._store.delete(self._prefix + key)

    def items(self) -> Iterator[tuple[str, Kept]]:
        for key, kept in self._store.items(self._prefix):
            yield key.removeprefix(self._prefix), dict(json.loads(kept))

    def enable(self, key: str, *, enabled: bool) -> None:
        kept = self.get(key)
        kept.pop("enabled", None)
        self.put(key, kept if enabled else {**kept, "enabled": False})

    def edit(self, key: str, given: Kept) -> None:
        kept = self.get(key)
        self.put(key, {**kept, "edit": merged(kept.get("edit", {}), given)})


def merged(before: Kept, given: Kept) -> Kept:
    """A new plan replaces the old one whole."""
    plan = ("cron", "every", "at", "zone")
    kept = {name: value for name, value in before.items() if name not in plan or not any(map(given.get, plan))}
    return kept | given

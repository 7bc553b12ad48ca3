"""What people changed of schedules and a restart of beat would forget: kept beside them, and applied again."""

from __future__ import annotations

from typing import Any

from z4j_core import overrides

#: `enabled` (only when False), `edit` (what schedule_edit was given, all of it together), `task` (it was made here) and
#: of such a one `last` (its last run, seconds since the epoch).
Kept = dict[str, Any]


class Overrides(overrides.Overrides):
    """Of one source. Where the store fails, a change lasts until beat ends."""

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

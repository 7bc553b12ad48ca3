"""Events of schedulers and schedules: what has to be in one of each kind for it to mean anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from z4j_core.wire import Kind

from z4j_brain.lib.bulk import MAX_TIME

#: Of each kind, the fields that have to be there, beside the name of the scheduler's adapter.
_FIELDS = {
    Kind.SCHEDULE_TOLD: ("schedule",),
    Kind.SCHEDULE_GONE: ("schedule",),
    Kind.SCHEDULE_LISTED: (),
    Kind.SCHEDULE_FIRED: ("schedule", "task_id"),
    Kind.SCHEDULE_SKIPPED: ("schedule",),
    Kind.SCHEDULER_HEARTBEAT: ("worker",),
}
#: Of each kind, what its data has to hold; and what may be left out.
_DATA: dict[str, dict[str, type]] = {
    Kind.SCHEDULE_TOLD: {"task": str, "engine": str, "plan": str, "enabled": bool},
    Kind.SCHEDULE_LISTED: {"count": int, "began": int},
    Kind.SCHEDULE_FIRED: {"engine": str},
    Kind.SCHEDULE_SKIPPED: {"due": int, "why": str},
    Kind.SCHEDULER_HEARTBEAT: {"tick": int},
}
_OPTIONAL: dict[str, type] = {
    **dict.fromkeys(("due", "at", "next", "last", "every"), int),
    **dict.fromkeys(("text", "cron", "zone", "definition", "queue", "args", "kwargs", "code", "version", "host"), str),
    "asked": bool,
    "cannot": dict,
}
_TIMES = ("began", "due", "tick", "at", "next", "last")


def is_whole(event: Mapping[str, Any]) -> bool:
    """Of a kind that is not known here, nothing is asked: it is kept as it is."""
    kind = event["kind"]
    if kind not in _FIELDS:
        return True
    data = event.get("data") or {}
    there = bool(event.get("engine")) and all(event.get(field) for field in _FIELDS[Kind(kind)])
    told = all(type(data.get(name)) is of for name, of in _DATA.get(kind, {}).items())
    return there and told and all(map(_fits, data.items()))


def _fits(entry: tuple[str, Any]) -> bool:
    name, value = entry
    if name in _TIMES and type(value) is int and not 0 <= value <= MAX_TIME:
        return False
    return value is None or name not in _OPTIONAL or type(value) is _OPTIONAL[name]

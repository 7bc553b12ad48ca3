"""What of a schedule is said again where it is to be kept as well: in another scheduler, or as one of z4j's own."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

from z4j_brain.remote import wishes
from z4j_brain.remote.trouble import wrong

OWN = "z4j"
#: How schedulers write that there are none.
_NONE = frozenset({"", "[]", "()", "{}"})


def body(row: dict[str, Any], asked: Namespace) -> dict[str, Any]:
    """What creates the same in the scheduler that is asked for."""
    if row["source"] == asked.to:
        raise wrong(f"It is kept by {asked.to} already.", row["key"])
    said = {"key": asked.key or row["key"], "source": asked.to, "task": row["task"], **_plan(row)}
    said |= {"queue": row["queue"]} if row["queue"] else {}
    said |= {"engine": row["engine"]} if asked.to == OWN else {}
    said |= {name: _given(row, name, getattr(asked, name)) for name in ("args", "kwargs")}
    said |= {"reason": asked.reason} if asked.reason else {}
    return {name: value for name, value in said.items() if value not in ([], {})}


def _plan(row: dict[str, Any]) -> dict[str, Any]:
    if row["cron"]:
        return {"cron": row["cron"], "zone": row["zone"] or "UTC"}
    if row["every"]:
        return {"every": row["every"]}
    if row["at"]:
        return {"at": row["at"]}
    raise wrong(f"Its plan ({row['text']}) is one that only {row['source']} can keep.", row["key"])


def _given(row: dict[str, Any], name: str, text: str | None) -> Any:
    """What a scheduler tells of arguments is redacted, and good for nothing but to be looked at."""
    if text is not None:
        return wishes.value(text)
    told = row[name]
    if told is None:
        raise wrong(f"You may not see its arguments: say them with --{name}.", row["key"])
    if str(told).strip() in _NONE:
        return []
    if row["source"] != OWN:
        raise wrong(f"{row['source']} tells its arguments redacted: say them with --{name}.", row["key"])
    return json.loads(told)

"""What an agent is told beside the key of a schedule, as `z4j_core.scheduler` has it: times are microseconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from z4j_brain.lib.bulk import micros
from z4j_brain.lib.timing import Kind, Plan
from z4j_brain.schedules.models import Schedule
from z4j_brain.schedules.options import planned


def changed(row: Schedule, options: Mapping[str, Any]) -> dict[str, Any]:
    """Of an edit. Another zone alone is another plan: the same cron, in that zone."""
    plan = planned(options, row.zone)
    if plan is None and options.get("zone") and row.plan == Kind.CRON:
        plan = Plan(Kind.CRON, cron=row.cron, zone=str(options["zone"]))
    return {**_plan(plan), **_arguments(options)}


def made(options: Mapping[str, Any]) -> dict[str, Any]:
    """Of a schedule that is to be made."""
    return {"task": options.get("task", ""), **_plan(planned(options)), **_arguments(options)}


def run(row: Schedule) -> dict[str, Any]:
    """Of the task of one of z4j's own, which an engine sends."""
    told = {"args": json.loads(row.args or "[]"), "kwargs": json.loads(row.kwargs or "{}"), "schedule": row.key}
    return told | ({"queue": row.queue} if row.queue else {})


def _plan(plan: Plan | None) -> dict[str, Any]:
    if plan is None:
        return {}
    if plan.kind == Kind.CRON:
        return {"cron": plan.cron, "zone": plan.zone}
    if plan.kind == Kind.INTERVAL:
        return {"every": plan.every}
    return {"at": micros(plan.at), "zone": plan.zone}


def _arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in ("args", "kwargs", "queue") if name in options}

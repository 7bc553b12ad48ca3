"""A schedule of z4j's own as a form: what stands in its fields, and what they say as the API would be told it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext, gettext_lazy, pgettext_lazy

from z4j_brain.lib.listing import invalid
from z4j_brain.lib.problem import Fault, Problem
from z4j_brain.schedules import spoken
from z4j_brain.schedules.models import Schedule
from z4j_brain.schedules.states import CatchUp, Overlap, Plan

#: The fields of the form, each with what it begins with.
FIELDS: Mapping[str, str] = {
    "key": "",
    "task": "",
    "engine": "",
    "queue": "",
    "when": Plan.CRON,
    "cron": "",
    "every": "",
    "unit": "60",
    "at": "",
    "zone": "UTC",
    "args": "",
    "kwargs": "",
    "catch_up": CatchUp.SKIP,
    "overlap": Overlap.ALLOW,
    "grace": "",
}
#: The ways to say when.
WAYS = (
    (Plan.CRON.value, gettext_lazy("Cron")),
    (Plan.INTERVAL.value, gettext_lazy("Every so often")),
    (Plan.ONCE.value, pgettext_lazy("plan", "Once")),
)
#: Units of an interval, seconds.
UNITS = (
    ("1", gettext_lazy("seconds")),
    ("60", gettext_lazy("minutes")),
    ("3600", gettext_lazy("hours")),
    ("86400", gettext_lazy("days")),
)
_ARGUMENTS = {
    "args": (list, gettext_lazy("A list as JSON, such as [42].")),
    "kwargs": (dict, gettext_lazy('An object as JSON, such as {"a": 1}.')),
}
_WAYS = {Plan.CRON: "cron", Plan.INTERVAL: "every", Plan.ONCE: "at"}


def filled(query: Mapping[str, str]) -> dict[str, str]:
    """The fields as somebody has filled them in; what they have not touched is as it begins."""
    return {name: query.get(name, begin).replace("\0", "") for name, begin in FIELDS.items()}


def of(schedule: Schedule) -> dict[str, str]:
    """The fields of one that is there. Its arguments stay hidden: an empty field leaves them as they are."""
    seconds = (schedule.every_us or 0) / 1_000_000
    unit = next((name for name, _ in reversed(UNITS) if seconds and not seconds % int(name)), "1")
    told = {name: str(getattr(schedule, name)) for name in ("key", "task", "engine", "queue", "cron", "zone")}
    told |= {"when": schedule.plan, "catch_up": schedule.catch_up, "overlap": schedule.overlap}
    told |= {"every": f"{seconds / int(unit):g}" if seconds else "", "unit": unit}
    told |= {"at": _clock(schedule), "grace": f"{schedule.grace_us / 1_000_000:g}" if schedule.grace_us else ""}
    return {**FIELDS, **told}


def told(fields: Mapping[str, str], *, anew: bool) -> dict[str, Any]:
    """What the fields say. `anew`: of one that is to be made, so that empty arguments are none; else they stay.

    A Problem that points at each field which cannot be read.
    """
    faults: list[Fault] = []
    names = ("key", "task", "engine", "queue", "zone", "catch_up", "overlap")
    said: dict[str, Any] = {name: fields[name].strip() for name in names}
    said |= plan(fields, faults)
    for name, (kind, what) in _ARGUMENTS.items():
        if fields[name].strip() or anew:
            said[name] = _json(fields[name].strip(), kind, name, str(what), faults)
    said["grace"] = _number(fields["grace"], "grace", faults) if fields["grace"].strip() else None
    if faults:
        raise invalid(faults)
    return said


def plan(fields: Mapping[str, str], faults: list[Fault]) -> dict[str, Any]:
    """The one way to say when that is chosen."""
    way = _WAYS.get(Plan(fields["when"])) if fields["when"] in Plan.values else None
    if way is None:
        faults.append(Fault(pointer="#/when", detail=gettext("Say when: by cron, every so often, or once.")))
        return {}
    if not fields[way].strip():
        faults.append(Fault(pointer=f"#/{way}", detail=gettext("This is needed.")))
        return {}
    if way != "every":
        return {way: fields[way].strip()}
    unit = int(fields["unit"]) if fields["unit"] in dict(UNITS) else 1
    number = _number(fields["every"], "every", faults)
    return {"every": number * unit} if number is not None else {}


def errors(problem: Problem) -> dict[str, list[str]]:
    """By field; what belongs to none under the empty name."""
    found: dict[str, list[str]] = {}
    for fault in problem.errors or [Fault(pointer="", detail=problem.detail)]:
        name = fault["pointer"].removeprefix("#/")
        found.setdefault(name if name in FIELDS or name == "reason" else "", []).append(fault["detail"])
    return found


def _json(text: str, kind: type, name: str, what: str, faults: list[Fault]) -> Any:
    try:
        found = json.loads(text) if text else kind()
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, kind):
        faults.append(Fault(pointer=f"#/{name}", detail=what))
    return found


def _number(text: str, name: str, faults: list[Fault]) -> float | None:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        faults.append(Fault(pointer=f"#/{name}", detail=gettext("A number is needed.")))
        return None


def _clock(schedule: Schedule) -> str:
    """As the field of a moment takes it: what clocks in its zone show then."""
    if schedule.plan != Plan.ONCE or schedule.at is None:
        return ""
    return f"{schedule.at.astimezone(spoken.where(schedule)):%Y-%m-%dT%H:%M}"

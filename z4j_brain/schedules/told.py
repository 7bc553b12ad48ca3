"""What agents tell of a schedule, as its row holds it: hostile until shown otherwise, the newest telling stands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from z4j_core import wire
from z4j_core.timetable import Skip

from z4j_brain.agents.models import Agent
from z4j_brain.lib.bulk import EPOCH, MAX_TIME
from z4j_brain.schedules import due
from z4j_brain.schedules.models import Schedule
from z4j_brain.schedules.states import Definition, Plan

#: Reasons why a verb cannot be done to one schedule, and the longest of them.
MAX_REASONS, SENTENCE = 16, 400
_LONGEST = 2**62
#: An agent's clock may be so far ahead of ours; what it says beyond that is taken for this much.
AHEAD = timedelta(hours=1)
#: What makes it another plan.
PLAN = ("plan", "cron", "every_us", "at", "zone")
_WORDS = {
    Skip.LATE: "Its scheduler found it too late.",
    Skip.OVERLAP: "The run before it had not finished.",
    Skip.DISABLED: "It was disabled.",
}


def moment(value: Any) -> datetime | None:
    return EPOCH + timedelta(microseconds=value) if type(value) is int and 0 <= value <= MAX_TIME else None


def said_at(event: Mapping[str, Any]) -> datetime:
    """When something was said, by the agent's clock: what it says of one schedule is compared by it alone."""
    return min(EPOCH + timedelta(microseconds=event["ts"]), timezone.now() + AHEAD)


def text(value: Any, most: int) -> str:
    return value[:most] if isinstance(value, str) else ""


def whole(value: Any, most: int) -> int | None:
    return value if type(value) is int and 0 <= value <= most else None


def why_skipped(why: Any) -> str:
    return _WORDS[Skip(why)] if why in list(Skip) else text(why, 200)


def tell(schedule: Schedule, agent: Agent, event: Mapping[str, Any]) -> bool:
    """Bring the row up to date, unless something newer was told. True: its due times are others now."""
    at, facts = said_at(event), _facts(event.get("data") or {})
    is_first = schedule.told_at is None
    if schedule.told_at is not None and at < schedule.told_at:
        return _reaches_back(schedule, facts, at)
    before = {name: getattr(schedule, name) for name in facts}
    was_gone = schedule.gone_at is not None
    for name, value in facts.items():
        setattr(schedule, name, value)
    schedule.told_at, schedule.agent = at, agent
    if schedule.gone_at is not None and schedule.gone_at <= at:
        schedule.gone_at = None
    if is_first or before != facts:
        schedule.version += 0 if is_first else 1
    replanned = is_first or any(before[name] != facts[name] for name in PLAN)
    since = schedule.counts_from
    _count(schedule, at, replanned=replanned, returned=was_gone and schedule.gone_at is None, was=before["enabled"])
    _times(schedule, event.get("data") or {})
    if schedule.enabled and schedule.gone_at is None and (schedule.counts_from != since or schedule.plan == Plan.OTHER):
        schedule.check_at = timezone.now()
    return replanned


def gone(schedule: Schedule, at: datetime) -> None:
    """It was not there any more at this moment, unless it was told of since."""
    if schedule.told_at is not None and at <= schedule.told_at:
        return
    schedule.version += schedule.gone_at is None
    schedule.gone_at = max(filter(None, (schedule.gone_at, at)))
    schedule.next_at = schedule.check_at = None


def _reaches_back(schedule: Schedule, facts: Mapping[str, Any], at: datetime) -> bool:
    """It was planned as it is before we knew: tellings may come in any order."""
    if at >= schedule.plan_from or any(getattr(schedule, name) != facts[name] for name in PLAN):
        return False
    if schedule.counts_from == schedule.plan_from and facts["enabled"]:
        schedule.counts_from = min(at, timezone.now())
    schedule.plan_from = at
    return True


def _count(schedule: Schedule, at: datetime, *, replanned: bool, returned: bool, was: bool) -> None:
    """From when on due times are its own: since it is planned as it is, and there, and enabled."""
    if replanned:
        schedule.plan_from = at
    if replanned or returned or (schedule.enabled and not was):
        schedule.counts_from = min(at, timezone.now())
    if schedule.enabled and not was:
        schedule.disabled_at = schedule.disabled_by = schedule.disabled_reason = schedule.disabled_until = None
    elif not schedule.enabled and (was or schedule.disabled_at is None):
        schedule.disabled_at = schedule.disabled_at or at


def _times(schedule: Schedule, data: Mapping[str, Any]) -> None:
    last = moment(data.get("last"))
    schedule.last_at = max(filter(None, (schedule.last_at, last)), default=None)
    schedule.next_at = moment(data.get("next"))
    if not schedule.enabled or schedule.gone_at is not None:
        schedule.next_at = schedule.check_at = None
        return
    schedule.next_at = due.next_after(schedule, timezone.now()) or schedule.next_at


def _facts(data: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that are told, each within its bounds."""
    plan, definition = data.get("plan"), data.get("definition")
    reasons = data.get("cannot") if isinstance(data.get("cannot"), dict) else {}
    assert isinstance(reasons, dict)
    return {
        "task": text(data.get("task"), 512),
        "engine": text(data.get("engine"), 32),
        "queue": text(data.get("queue"), 255),
        "args": text(data.get("args"), wire.MAX_STRING),
        "kwargs": text(data.get("kwargs"), wire.MAX_STRING),
        "plan": plan if plan in Plan.values else Plan.OTHER.value,
        "text": text(data.get("text"), 255),
        "cron": text(data.get("cron"), 255),
        "every_us": whole(data.get("every"), _LONGEST) or None,
        "at": moment(data.get("at")),
        "zone": text(data.get("zone"), 64) or "UTC",
        "enabled": data.get("enabled") is not False,
        "definition": definition if definition in Definition.values else Definition.STORE.value,
        "code": text(data.get("code"), 255),
        "cannot": {verb[:32]: text(why, SENTENCE) for verb, why in list(reasons.items())[:MAX_REASONS]},
    }

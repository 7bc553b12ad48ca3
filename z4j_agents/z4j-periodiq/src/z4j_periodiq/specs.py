"""Plans of periodiq: what is told of one, one that is switched off, and one that people ask for."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

import pendulum
from periodiq import CronSpec
from z4j_core.timetable import Plan

from z4j_periodiq.loop import turn_of

UTC: Final = "UTC"
_UTCS: Final = frozenset({"UTC", "Etc/UTC", "GMT", "Etc/GMT", "Zulu", "Etc/Zulu", "UCT", "Etc/UCT", "Universal"})
#: What each of the five fields may be.
_LIMITS: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_CRONTAB: Final = re.compile(r"[\d*/,-]+(?: [\d*/,-]+){4,5}")
#: Turns that are looked ahead for one in which a plan fires.
_AHEAD: Final = 200


class Impossible(ValueError):
    """A plan that periodiq cannot keep: a sentence for people."""


class Off:
    """In place of the plan of an actor that is switched off: its time comes, and it is never valid. An actor without a
    plan would break periodiq's loop.
    """

    def __init__(self, plan: Any) -> None:
        self.plan = plan

    def __str__(self) -> str:
        return str(self.plan)

    def validate(self, date: Any) -> bool:
        return False

    def next_valid_date(self, last: Any) -> Any:
        return self.plan.next_valid_date(last)


def described(plan: Any) -> dict[str, Any]:
    """The part of ScheduleFacts that says when."""
    zone, cron = local_zone(), crontab(plan)
    facts: dict[str, Any] = {"plan": Plan.OTHER, "text": str(plan), "zone": zone or UTC}
    if cron and zone:
        facts |= {"plan": Plan.CRON, "cron": cron}
    if following := next_due(plan):
        facts["next"] = round(following.timestamp() * 1_000_000)
    return facts


def local_zone() -> str:
    """periodiq lives by the zone of its process. "" when that has no IANA name."""
    name = str(pendulum.now().timezone_name)
    try:
        ZoneInfo(name)
    except (ValueError, LookupError, OSError):
        return ""
    return name


def crontab(plan: Any) -> str:
    """ "" for one that no crontab says. A class of the user's own says it by its text, if that is one."""
    if type(plan) is not CronSpec:
        text = str(plan)
        return text if _CRONTAB.fullmatch(text) else ""
    fields = list(zip(plan.astuple(), _LIMITS, strict=True))
    if not all(_is_within(values, limits) for values, limits in fields):
        return ""
    return " ".join(_written(values, limits) for values, limits in fields)


def next_due(plan: Any) -> Any:
    """When it fires next, if its loop turns only for it; None: not as far as can be seen."""
    moment = turn_of()
    for _ in range(_AHEAD):
        moment = plan.next_valid_date(moment)
        if plan.validate(moment):
            return moment
    return None


def _is_within(values: list[int], limits: tuple[int, int]) -> bool:
    return bool(values) and limits[0] <= min(values) and max(values) <= limits[1]


def _written(values: list[int], limits: tuple[int, int]) -> str:
    low, high = limits
    if values == list(range(low, high + 1)):
        return "*"
    step = values[1] - values[0] if len(values) > 2 else 1
    if step > 1 and limits != _LIMITS[-1] and values == list(range(low, high + 1, step)):
        return f"*/{step}"
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in _ranges(values))


def _ranges(values: list[int]) -> Iterator[tuple[int, int]]:
    for _, group in itertools.groupby(enumerate(values), lambda pair: pair[1] - pair[0]):
        some = [value for _, value in group]
        yield some[0], some[-1]


# What people ask for.


def wanted(params: Mapping[str, Any], before: Any) -> Any:
    """The plan in `params`, of the class of the one that it is to replace. Raises Impossible."""
    if params.get("every") is not None or params.get("at") is not None:
        raise Impossible("periodiq keeps cron expressions: no intervals, no single times.")
    if any(params.get(name) for name in ("args", "kwargs", "queue")):
        raise Impossible("periodiq sends an actor's messages without arguments, to the actor's own queue.")
    if params.get("cron") is None:
        raise Impossible("Say a cron expression.")
    _check_zone(params.get("zone"))
    plan = parsed(str(params["cron"]), before)
    if next_due(plan) is None:
        raise Impossible("That never comes, as far as periodiq can look ahead.")
    return plan


def parsed(text: str, before: Any) -> Any:
    kind = type(before)
    if kind is CronSpec and not text.startswith("@") and len(text.split()) != 5:
        raise Impossible("A cron expression of periodiq has five fields.")
    try:
        plan = kind.parse(text)
    except (ValueError, LookupError, TypeError, AttributeError):
        raise Impossible("periodiq cannot read that cron expression.") from None
    if kind is not CronSpec:
        return plan
    if not crontab(plan):
        raise Impossible("A field of that cron expression is out of its range.")
    return _with_sunday(plan, text)


def _with_sunday(plan: Any, text: str) -> Any:
    """periodiq looks for a Sunday by 7 when it sends, and by 0 when it works out its next turn: it takes both."""
    if {0, 7} & set(plan.dow):
        plan = plan.replace(dow=sorted({*plan.dow, 0, 7}))
        plan.parsed_from = text
    return plan


def _check_zone(asked: Any) -> None:
    local = local_zone() or UTC
    if asked is not None and asked != local and not {str(asked), local} <= _UTCS:
        raise Impossible(f"periodiq lives by the zone of its process, which is {local}.")

"""When, in dramatiq-crontab: from its triggers to what is told of a plan, and from what people ask for to triggers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from z4j_core.timetable import Plan

UTC: Final = "UTC"
_UTC: Final = timezone(timedelta(0))
_FIELDS: Final = {"minute": 59, "hour": 23, "day": 31, "month": 12, "day_of_week": 7}
#: APScheduler begins the week with 0 for Monday, a crontab with 0 for Sunday: here a Monday is 1 and a Sunday 7.
_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class Impossible(ValueError):
    """A plan that dramatiq-crontab cannot keep: a sentence for people."""


def now() -> datetime:
    return datetime.now(_UTC)


def micros(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def described(trigger: Any) -> dict[str, Any]:
    """The part of ScheduleFacts that says when. Its decorators make these two; what else somebody put there is
    `other`.
    """
    facts: dict[str, Any] = {"plan": Plan.OTHER, "text": str(trigger), "zone": zone_of(trigger)}
    if not isinstance(trigger, CronTrigger | IntervalTrigger) or trigger.jitter or trigger.end_date is not None:
        return facts
    if isinstance(trigger, IntervalTrigger):
        return {**facts, "plan": Plan.INTERVAL, "every": round(trigger.interval_length * 1_000_000)}
    cron = crontab(trigger)
    return {**facts, "plan": Plan.CRON, "cron": cron} if cron else facts


def zone_of(trigger: Any) -> str:
    """The IANA name; UTC when it has none."""
    name = str(getattr(trigger, "timezone", UTC))
    try:
        ZoneInfo(name)
    except (ValueError, LookupError, OSError):
        return UTC
    return name


def crontab(trigger: CronTrigger) -> str:
    """ "" for what a crontab does not say in the same words: more fields, the last day of a month, both kinds of days,
    which have to match both here.
    """
    fields = {field.name: str(field) for field in trigger.fields}
    if (fields["year"], fields["week"], fields["second"]) != ("*", "*", "0") or trigger.start_date is not None:
        return ""
    if "*" not in (fields["day"], fields["day_of_week"]):
        return ""
    shifted = re.sub(r"(?<![\d/])\d+", lambda found: str(int(found[0]) + 1), fields["day_of_week"])
    fields["day_of_week"] = _numbered(shifted, _WEEKDAYS)
    fields["month"] = _numbered(fields["month"], _MONTHS)
    written = [re.sub(r"(?<![-\d])(\d+)/", rf"\1-{most}/", fields[name]) for name, most in _FIELDS.items()]
    text = " ".join(written).replace(", ", ",")
    return text if re.fullmatch(r"[\d*/,-]+( [\d*/,-]+){4}", text) else ""


def _numbered(text: str, names: tuple[str, ...]) -> str:
    for number, name in enumerate(names, 1):
        text = text.replace(name, str(number))
    return text


def wanted(params: Mapping[str, Any], zone: str) -> Any:
    """The trigger of the plan in `params`, None when there is none; `zone` where they name none. Raises Impossible."""
    given = [name for name in ("cron", "every", "at") if params.get(name) is not None]
    if not given and params.get("zone") is None:
        return None
    if len(given) != 1 or given == ["at"]:
        raise Impossible("Say one of cron and every: dramatiq-crontab has no others.")
    name = str(params.get("zone") or zone)
    try:
        ZoneInfo(name)
    except (ValueError, LookupError, OSError):
        raise Impossible("There is no time zone of that name here.") from None
    trigger = _from_cron(str(params["cron"]), name) if given == ["cron"] else _from_every(params["every"], name)
    if trigger.get_next_fire_time(None, now()) is None:
        raise Impossible("That never comes.")
    return trigger


def _from_cron(text: str, zone: str) -> Any:
    words = text.lower().split()
    if len(words) != 5:
        raise Impossible("A cron expression of dramatiq-crontab has five fields.")
    if words[2] != "*" and words[4] != "*":
        raise Impossible("It would fire where day of month and day of week both match: give one of them.")
    try:
        return CronTrigger.from_crontab(" ".join([*words[:4], _weekdays(words[4])]), timezone=zone)
    except (ValueError, TypeError, KeyError):
        raise Impossible("dramatiq-crontab cannot read that cron expression.") from None


def _weekdays(text: str) -> str:
    """By name, as dramatiq-crontab has them."""
    if text == "*":
        return text
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        low = 0 if first == "*" else _weekday(first)
        high = 6 if first == "*" or (step and not dash) else _weekday(last) if dash else low
        high += 7 if high < low else 0
        found.update((number - 1) % 7 for number in range(low, high + 1, int(step or 1)))
    return ",".join(_WEEKDAYS[number] for number in sorted(found))


def _weekday(word: str) -> int:
    number = _WEEKDAYS.index(word) + 1 if word.isalpha() else int(word)
    if not 0 <= number <= 7:
        raise ValueError(word)
    return number


def _from_every(every: Any, zone: str) -> Any:
    if not isinstance(every, int | float) or not 1_000_000 <= every < 10**15:
        raise Impossible("An interval is between one second and thirty years.")
    return IntervalTrigger(seconds=every / 1_000_000, timezone=zone)

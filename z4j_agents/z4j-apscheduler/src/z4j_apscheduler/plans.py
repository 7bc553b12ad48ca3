"""When: from APScheduler's triggers to what is told of a plan, and from what people ask for to triggers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from z4j_core.timetable import Plan

UTC: Final = "UTC"
#: Of crontab(5), with APScheduler's names, and what each may be.
FIELDS: Final = {
    "second": (0, 59),
    "minute": (0, 59),
    "hour": (0, 23),
    "day": (1, 31),
    "month": (1, 12),
    "day_of_week": (0, 6),
}
_UTC: Final = timezone(timedelta(0))
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
#: A January that begins with a Monday.
_MONDAY: Final = datetime(2024, 1, 1)


class Impossible(ValueError):
    """A plan that APScheduler cannot keep: a sentence for people."""


def now() -> datetime:
    return datetime.now(_UTC)


def micros(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def described(trigger: Any) -> dict[str, Any]:
    """`plan`, `text`, `zone` and the part of ScheduleFacts that belongs to this kind of plan. What the brain could not
    work out by itself as APScheduler does is `other`.
    """
    facts: dict[str, Any] = {"plan": Plan.OTHER, "text": str(trigger), "zone": zone_of(trigger) or UTC}
    if isinstance(trigger, DateTrigger):
        return {**facts, "plan": Plan.ONCE, "at": micros(trigger.run_date)}
    if not isinstance(trigger, CronTrigger | IntervalTrigger) or trigger.jitter or trigger.end_date is not None:
        return facts
    if isinstance(trigger, IntervalTrigger):
        return {**facts, "plan": Plan.INTERVAL, "every": round(trigger.interval_length * 1_000_000)}
    begun = trigger.start_date is None or trigger.start_date <= now()
    cron = crontab(trigger) if begun and zone_of(trigger) else ""
    return {**facts, "plan": Plan.CRON, "cron": cron} if cron else facts


def zone_of(trigger: Any) -> str:
    """The IANA name; "" when it has none."""
    if isinstance(trigger, DateTrigger):
        return UTC
    zone = getattr(trigger, "timezone", None)
    name = str(getattr(zone, "key", None) or getattr(zone, "zone", None) or zone or UTC)
    try:
        ZoneInfo(name)
    except (ValueError, LookupError):
        return ""
    return name


def crontab(trigger: CronTrigger) -> str:
    """As crontab(5) writes it, with seconds first when they matter; "" for what it cannot write.

    APScheduler has more fields, begins the week with 0 for Monday, and fires only where day of month and day of week
    both match, where a crontab takes either.
    """
    fields = {field.name: field for field in trigger.fields}
    if str(fields["year"]) != "*" or str(fields["week"]) != "*" or _is_special(fields["day"]):
        return ""
    found = {name: list(_values(name, fields[name])) for name in FIELDS}
    written = {name: _written(name, values) for name, values in found.items()}
    if "" in written.values() or (written["day"] != "*" and written["day_of_week"] != "*"):
        return ""
    names = [name for name in FIELDS if name != "second" or found["second"] != [0]]
    return " ".join(written[name] for name in names)


def _is_special(day: Any) -> bool:
    """`last`, `2nd fri`: of the month that it is."""
    return any(letter.isalpha() for letter in str(day))


def _values(name: str, field: Any) -> Iterator[int]:
    """What a field allows, as a crontab counts it."""
    low, high = FIELDS[name]
    for value in range(low, high + 1):
        if name == "day_of_week":
            moment = _MONDAY + timedelta(days=value)
        else:
            part: Any = {name: value}
            moment = _MONDAY.replace(**part)
        if field.get_next_value(moment) == field.get_value(moment):
            yield value + 1 if name == "day_of_week" else value


def _written(name: str, values: list[int]) -> str:
    low, high = FIELDS[name] if name != "day_of_week" else (1, 7)
    if values == list(range(low, high + 1)):
        return "*"
    steps = {later - earlier for earlier, later in itertools.pairwise(values)}
    if name != "day_of_week" and len(values) > 2 and len(steps) == 1 and steps != {1}:
        step = steps.pop()
        if values == list(range(low, high + 1, step)):
            return f"*/{step}"
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in _ranges(values))


def _ranges(values: list[int]) -> Iterator[tuple[int, int]]:
    for _, group in itertools.groupby(enumerate(values), lambda pair: pair[1] - pair[0]):
        some = [value for _, value in group]
        yield some[0], some[-1]


# What people ask for.


def wanted(params: Mapping[str, Any], zone: str) -> Any:
    """The trigger of the plan in `params`, None when there is none; `zone` where they name none. Raises Impossible."""
    given = [name for name in ("cron", "every", "at") if params.get(name) is not None]
    if not given and params.get("zone") is None:
        return None
    if len(given) != 1:
        raise Impossible("Say one of cron, every and at.")
    name = str(params.get("zone") or zone)
    try:
        ZoneInfo(name)
    except (ValueError, LookupError, OSError):
        raise Impossible("There is no time zone of that name here.") from None
    trigger = {"cron": _from_cron, "every": _from_every, "at": _from_at}[given[0]](params[given[0]], name)
    if trigger.get_next_fire_time(None, now()) is None:
        raise Impossible("That never comes.")
    return trigger


def _from_cron(text: Any, zone: str) -> CronTrigger:
    words = str(text).lower().split()
    if len(words) not in (5, 6):
        raise Impossible("A cron expression has five fields, or six with the seconds first.")
    second, minute, hour, day, month, weekday = words if len(words) == 6 else ["0", *words]
    if day != "*" and weekday not in ("*", "?"):
        raise Impossible("APScheduler fires where day of month and day of week both match: give one of them.")
    try:
        return CronTrigger(
            second=second, minute=minute, hour=hour, day=day, month=month, day_of_week=_weekdays(weekday), timezone=zone
        )
    except (ValueError, TypeError, KeyError):
        raise Impossible("APScheduler cannot read that cron expression.") from None


def _weekdays(text: str) -> str:
    """By name: a crontab's numbers begin with Sunday, and its 7 is Sunday, too."""
    if text in ("*", "?"):
        return "*"
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        low = 0 if first == "*" else _weekday(first)
        high = 6 if first == "*" or (step and not dash) else _weekday(last) if dash else low
        high += 7 if high < low else 0
        by = int(step or 1)
        if by < 1:
            raise ValueError(text)
        found.update(number % 7 for number in range(low, high + 1, by))
    return ",".join(_WEEKDAYS[number] for number in sorted(found))


def _weekday(word: str) -> int:
    number = _WEEKDAYS.index(word[:3]) if word.isalpha() else int(word)
    if not 0 <= number <= 7:
        raise ValueError(word)
    return number


def _from_every(every: Any, zone: str) -> IntervalTrigger:
    if not isinstance(every, int | float) or every < 1_000_000:
        raise Impossible("The shortest interval is one second.")
    try:
        length = timedelta(microseconds=int(every))
        return IntervalTrigger(days=length.days, seconds=length.seconds + length.microseconds / 1e6, timezone=zone)
    except OverflowError:
        raise Impossible("That interval is too long.") from None


def _from_at(at: Any, zone: str) -> DateTrigger:
    try:
        moment = datetime.fromtimestamp(int(at) / 1_000_000, _UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        raise Impossible("That is no time.") from None
    if moment <= now():
        raise Impossible("That time is over.")
    return DateTrigger(run_date=moment)

"""Plans in plain language: `Every weekday at 07:30`, `Every 5 minutes`, `Once, on 27 Nov 2026 at 14:00`."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from cronsim.explain import Expression

from z4j_brain.lib import cron

_DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORT: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_WEEKDAYS: Final = frozenset({"1-5", "MON-FRI"})
_WEEKEND: Final = frozenset({"0,6", "6,0", "6,7", "6-7", "SAT,SUN", "SUN,SAT"})
_UNITS: Final = (("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def of_cron(text: str) -> str:
    parts = cron.fields(text)
    second, minute, hour, day, month, weekday = parts if len(parts) == 6 else ("0", *parts)
    if month == "*" and second.isdigit():
        if (minute + hour).isdigit() and (often := _days(day, weekday)):
            return f"{often} at {_clock(hour, minute, second)}"
        if (day, weekday, second) == ("*", "*", "0") and (often := _steps(minute, hour)):
            return often
    return _ordinals(Expression(list(parts)).explain())


def of_interval(every: int) -> str:
    """Of so many microseconds."""
    seconds = every / 1_000_000
    for unit, length in _UNITS:
        if seconds >= length and not seconds % length:
            count = int(seconds // length)
            return f"Every {unit}" if count == 1 else f"Every {count:,} {unit}s"
    return f"Every {seconds:g} seconds"


def of_moment(local: datetime) -> str:
    return f"Once, on {local.day} {local:%b %Y at %H:%M}{f':{local:%S}' if local.second else ''}"


def _days(day: str, weekday: str) -> str:
    if day != "*":
        return f"On the {_ordinal(int(day))} of every month" if weekday == "*" and day.isdigit() else ""
    if weekday == "*":
        return "Every day"
    if weekday in _WEEKDAYS:
        return "Every weekday"
    if weekday in _WEEKEND:
        return "Every Saturday and Sunday"
    names = [_day(part) for part in weekday.split(",")]
    if not all(names):
        return ""
    return "Every " + (f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0])


def _day(part: str) -> str:
    if part.isdigit():
        return _DAYS[int(part)]
    return _DAYS[_SHORT.index(part)] if part in _SHORT else ""


def _steps(minute: str, hour: str) -> str:
    """What comes in even steps all day long."""
    if hour == "*":
        if minute == "*" or minute == "*/1":
            return "Every minute"
        if minute.isdigit():
            return "Every hour" if int(minute) == 0 else f"Every hour, {_minutes(int(minute))} past"
        return _step(minute, 60, "minutes")
    if minute.isdigit() and (often := _step(hour, 24, "hours")):
        return often if int(minute) == 0 else f"{often}, {_minutes(int(minute))} past"
    return ""


def _step(part: str, size: int, unit: str) -> str:
    found = re.fullmatch(r"\*/(\d+)", part)
    step = int(found[1]) if found else 0
    return f"Every {step} {unit}" if 1 < step < size and not size % step else ""


def _minutes(count: int) -> str:
    return f"{count} minute{'s' * (count != 1)}"


def _clock(hour: str, minute: str, second: str) -> str:
    return f"{int(hour):02d}:{int(minute):02d}" + (f":{int(second):02d}" if int(second) else "")


def _ordinal(number: int) -> str:
    tail = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{tail}"


def _ordinals(text: str) -> str:
    return re.sub(r"\b(\d+)th\b", lambda found: _ordinal(int(found[1])), text)

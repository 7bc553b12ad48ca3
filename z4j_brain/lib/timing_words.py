"""Plans in plain language: `Every weekday at 07:30`, `Every 5 minutes`, `Once, on 27 Nov 2026 at 14:00`."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from cronsim.explain import Expression
from django.utils.dates import WEEKDAYS
from django.utils.translation import get_language, gettext, ngettext, pgettext

from z4j_brain.lib import cron, words

_SHORT: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_WEEKDAYS: Final = frozenset({"1-5", "MON-FRI"})
_WEEKEND: Final = frozenset({"0,6", "6,0", "6,7", "6-7", "SAT,SUN", "SUN,SAT"})
_UNITS: Final = (("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def of_cron(text: str) -> str:
    parts = cron.fields(text)
    second, minute, hour, day, month, weekday = parts if len(parts) == 6 else ("0", *parts)
    if month == "*" and second.isdigit():
        if (minute + hour).isdigit() and (often := _days(day, weekday)):
            return gettext("%(often)s at %(time)s") % {"often": often, "time": _clock(hour, minute, second)}
        if (day, weekday, second) == ("*", "*", "0") and (often := _steps(minute, hour)):
            return often
    if (get_language() or "en").partition("-")[0] != "en":
        return gettext("As the cron expression %(text)s says") % {"text": text}
    return _ordinals(Expression(list(parts)).explain())


def of_interval(every: int) -> str:
    """Of so many microseconds."""
    seconds = every / 1_000_000
    for unit, length in _UNITS:
        if seconds >= length and not seconds % length:
            return _every(unit, int(seconds // length))
    return gettext("Every %(n)s seconds") % {"n": f"{seconds:g}"}


def of_moment(local: datetime) -> str:
    told = {"day": words.day(local, "j M Y"), "time": f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"}
    return gettext("Once, on %(day)s at %(time)s") % told


def _every(unit: str, count: int) -> str:
    match unit:
        case "week":
            said = ngettext("Every week", "Every %(n)s weeks", count)
        case "day":
            said = ngettext("Every day", "Every %(n)s days", count)
        case "hour":
            said = ngettext("Every hour", "Every %(n)s hours", count)
        case "minute":
            said = ngettext("Every minute", "Every %(n)s minutes", count)
        case _:
            said = ngettext("Every second", "Every %(n)s seconds", count)
    return said % {"n": f"{count:,}"}


def _days(day: str, weekday: str) -> str:
    if day != "*":
        is_one = weekday == "*" and day.isdigit()
        return gettext("On the %(day)s of every month") % {"day": _ordinal(int(day))} if is_one else ""
    if weekday == "*":
        return _every("day", 1)
    if weekday in _WEEKDAYS:
        return gettext("Every weekday")
    if weekday in _WEEKEND:
        return gettext("Every Saturday and Sunday")
    names = [_day(part) for part in weekday.split(",")]
    if not all(names):
        return ""
    several = gettext("%(names)s and %(last)s") % {"names": ", ".join(names[:-1]), "last": names[-1]}
    return gettext("Every %(days)s") % {"days": several if len(names) > 1 else names[0]}


def _day(part: str) -> str:
    if not part.isdigit() and part not in _SHORT:
        return ""
    number = int(part) if part.isdigit() else _SHORT.index(part)
    return str(WEEKDAYS[(number - 1) % 7])


def _steps(minute: str, hour: str) -> str:
    """What comes in even steps all day long."""
    if hour == "*":
        if minute == "*" or minute == "*/1":
            return _every("minute", 1)
        if minute.isdigit():
            return _past(_every("hour", 1), int(minute))
        return _step(minute, 60, "minute")
    if minute.isdigit() and (often := _step(hour, 24, "hour")):
        return _past(often, int(minute))
    return ""


def _step(part: str, size: int, unit: str) -> str:
    found = re.fullmatch(r"\*/(\d+)", part)
    step = int(found[1]) if found else 0
    return _every(unit, step) if 1 < step < size and not size % step else ""


def _past(often: str, minutes: int) -> str:
    if not minutes:
        return often
    said = ngettext("%(often)s, %(n)s minute past", "%(often)s, %(n)s minutes past", minutes)
    return said % {"often": often, "n": minutes}


def _clock(hour: str, minute: str, second: str) -> str:
    return f"{int(hour):02d}:{int(minute):02d}" + (f":{int(second):02d}" if int(second) else "")


def _ordinal(number: int) -> str:
    told = {"n": number}
    match 0 if 10 < number % 100 < 14 else number % 10:
        case 1:
            return pgettext("ordinal", "%(n)sst") % told
        case 2:
            return pgettext("ordinal", "%(n)snd") % told
        case 3:
            return pgettext("ordinal", "%(n)srd") % told
    return pgettext("ordinal", "%(n)sth") % told


def _ordinals(text: str) -> str:
    return re.sub(r"\b(\d+)th\b", lambda found: _ordinal(int(found[1])), text)

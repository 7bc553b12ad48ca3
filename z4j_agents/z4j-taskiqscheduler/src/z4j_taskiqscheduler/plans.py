"""When a schedule of taskiq is due: what it can keep, and how that is told."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final
from zoneinfo import ZoneInfo

from taskiq import ScheduledTask
from z4j_core.timetable import Plan

_FIELDS: Final = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 6)}
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART: Final = re.compile(r"\*(?:/(\d+))?|(\w+)(?:-(\w+)(?:/(\d+))?)?")
_LONGEST: Final = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
SECOND: Final = 1_000_000
UTC: Final = timezone.utc  # noqa: UP017 - Python 3.10 has no other


class Refused(ValueError):
    """taskiq cannot keep this; the message is a sentence for people."""


# What is told.


def plan_of(task: ScheduledTask) -> dict[str, Any]:
    """The parts of `ScheduleFacts` that say when."""
    zone = zone_of(task.cron_offset)
    told: dict[str, Any] = {"plan": Plan.OTHER, "text": written(task), "zone": zone or "UTC"}
    if sum(given is not None for given in (task.cron, task.interval, task.time)) > 1:
        return told
    if task.cron is not None:
        if zone is not None and _is_cron(task.cron):
            told |= {"plan": Plan.CRON, "cron": " ".join(task.cron.split())}
    elif task.interval is not None:
        told |= {"plan": Plan.INTERVAL, "every": every_of(task)}
    elif task.time is not None:
        told |= {"plan": Plan.ONCE, "at": at_of(task)}
    return told


def written(task: ScheduledTask) -> str:
    """As it stands in a source."""
    told = []
    if task.cron is not None:
        offset = task.cron_offset if zone_of(task.cron_offset) != "UTC" else None
        told.append(task.cron if offset is None else f"{task.cron} ({offset})")
    if task.interval is not None:
        told.append(f"every {every_of(task) // SECOND} s")
    if task.time is not None:
        told.append(f"at {aware(task.time).isoformat()}")
    return ", ".join(told)


def every_of(task: ScheduledTask) -> int:
    given = task.interval or 0
    return int((given.total_seconds() if isinstance(given, timedelta) else given) * SECOND)


def at_of(task: ScheduledTask) -> int:
    return int(aware(task.time).timestamp() * SECOND) if task.time is not None else 0


def aware(moment: datetime) -> datetime:
    """taskiq takes a time without a zone for UTC."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def zone_of(offset: str | timedelta | None) -> str | None:
    """The IANA name of a schedule's zone. None: nothing that has one."""
    if offset is None:
        return "UTC"
    if isinstance(offset, str):
        return offset if _is_zone(offset) else None
    hours, rest = divmod(offset, timedelta(hours=1))
    if not offset:
        return "UTC"
    # The names of these count westwards. There is none beyond.
    return f"Etc/GMT{-hours:+d}" if not rest and -12 <= hours <= 14 else None


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        return False
    return True


# What is asked for.


def wanted(params: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a ScheduledTask that `params` change. Raises Refused."""
    given = [name for name in ("cron", "every", "at") if params.get(name) not in (None, "")]
    if len(given) > 1:
        raise Refused("A schedule has one plan: a cron expression, an interval or a time.")
    changed: dict[str, Any] = {}
    if given:
        changed |= {"cron": None, "cron_offset": None, "interval": None, "time": None}
        changed |= {"cron": _cron, "every": _every, "at": _at}[given[0]](params)
    elif params.get("zone"):
        raise Refused("A zone belongs to a cron expression: give both.")
    if params.get("args") is not None:
        changed["args"] = list(params["args"])
    if params.get("kwargs") is not None:
        changed["kwargs"] = dict(params["kwargs"])
    return changed


def _cron(params: Mapping[str, Any]) -> dict[str, Any]:
    line, zone = " ".join(str(params["cron"]).split()), str(params.get("zone") or "UTC")
    if len(line.split()) != 5:
        raise Refused("A cron expression of taskiq has five fields, the first one minutes.")
    if not _is_cron(line):
        raise Refused("taskiq cannot read this cron expression: numbers, lists, ranges, */steps; Sunday is 0.")
    if not _ever(line):
        raise Refused(f"There is no such day: {line} never fires.")
    if not _is_zone(zone):
        raise Refused(f"There is no time zone {zone}.")
    return {"cron": line, "cron_offset": None if zone == "UTC" else zone}


def _every(params: Mapping[str, Any]) -> dict[str, Any]:
    every = params["every"]
    if not isinstance(every, int) or every < SECOND or every % SECOND:
        raise Refused("An interval of taskiq is a whole number of seconds, 1 at least.")
    return {"interval": every // SECOND}


def _at(params: Mapping[str, Any]) -> dict[str, Any]:
    at = params["at"]
    if not isinstance(at, int) or at <= time.time() * SECOND:
        raise Refused("That time has passed.")
    return {"time": datetime.fromtimestamp(at / SECOND, tz=UTC)}


def _is_cron(line: str) -> bool:
    words = line.split()
    return len(words) == 5 and all(_fits(word, name) for word, name in zip(words, _FIELDS, strict=True))


def _fits(word: str, name: str) -> bool:
    """Whether taskiq's own reader finds in it what crontab would: it ignores what it does not understand."""
    first, last = _FIELDS[name]
    for part in word.lower().split(","):
        found = _PART.fullmatch(part)
        if found is None:
            return False
        every, low, high, step = found.groups()
        if "0" in (every, step):
            return False
        if low is None:
            continue
        numbers = [_number(text, name) for text in (low, high) if text is not None]
        if any(number is None or not first <= number <= last for number in numbers) or numbers != sorted(numbers):  # type: ignore[type-var]
            return False
    return True


def _number(text: str, name: str) -> int | None:
    if text.isdigit():
        return int(text)
    return _DAYS.index(text) if name == "weekday" and text in _DAYS else None


def _ever(line: str) -> bool:
    """Whether one of its months has one of its days. Where a weekday is given as well, either will do."""
    _, _, day, month, weekday = line.split()
    if "*" in day or "*" not in weekday:
        return True
    months = range(1, 13) if "*" in month else sorted(_all(month))
    longest = max(_LONGEST.get(number, 31) for number in months)
    return min(_all(day)) <= longest


def _all(word: str) -> set[int]:
    found: set[int] = set()
    for part in word.split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        found.update(range(int(low), int(high or low) + 1, int(step or 1)))
    return found

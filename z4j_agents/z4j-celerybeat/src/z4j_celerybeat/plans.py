"""When something is due: as Celery has it, as it is told, and as people ask for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from celery import schedules
from z4j_core.timetable import Plan

#: The fields of crontab(5), from left to right, as Celery calls them; the smallest number of each, and how many.
FIELDS: Final = {
    "minute": (0, 60),
    "hour": (0, 24),
    "day_of_month": (1, 31),
    "month_of_year": (1, 12),
    "day_of_week": (0, 7),
}
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_PLAIN: Final = re.compile(r"[\d*/,-]+")
#: Due times that one firing may have to make up for: the last of them is told as its own.
_MADE_UP: Final = 1000


class Refused(ValueError):
    """It cannot be kept so. The text is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The plan that somebody asked for. Nothing named is empty; a zone may be all that was."""

    cron: str = ""
    every: int = 0
    at: int = 0
    zone: str = ""


# ── As it is told ────────────────────────────────────────────────────────────────────────────────────────────────────


def facts(schedule: Any) -> dict[str, Any]:
    """The part of ScheduleFacts that says when."""
    zone = zone_of(schedule)
    told: dict[str, Any] = {"plan": Plan.OTHER, "text": words(schedule), "zone": zone or "UTC"}
    if isinstance(schedule, schedules.crontab):
        cron = cron_of(schedule)
        return told | ({"plan": Plan.CRON, "cron": cron} if cron and zone else {})
    if isinstance(schedule, schedules.schedule):
        # Those are rounded to full minutes, hours or days: nobody else counts so.
        return told if schedule.relative else told | {"plan": Plan.INTERVAL, "every": microseconds(schedule.run_every)}
    if isinstance(at := getattr(schedule, "clocked_time", None), datetime):
        return told | {"plan": Plan.ONCE, "at": micros(at)}
    return told


def words(schedule: Any) -> str:
    if isinstance(schedule, schedules.crontab):
        return " ".join(_written(schedule, name) for name in FIELDS)
    if isinstance(schedule, schedules.schedule):
        return f"every {schedule.human_seconds}" + (", on the clock" if schedule.relative else "")
    if isinstance(schedule, schedules.solar):
        return f"{schedule.event} at {schedule.lat}, {schedule.lon}"
    if isinstance(at := getattr(schedule, "clocked_time", None), datetime):
        return f"once, {at.isoformat()}"
    return type(schedule).__name__


def cron_of(schedule: Any) -> str:
    """As crontab(5) has it. Empty where that would mean something else: Celery fires on days that are in both of day of
    month and day of week, cron on days that are in either.
    """
    parts = {name: _field(schedule, name) for name in FIELDS}
    both = parts["day_of_month"] != "*" and parts["day_of_week"] != "*"
    return "" if both else " ".join(parts.values())


def _field(schedule: Any, name: str) -> str:
    least, count = FIELDS[name]
    meant = sorted(getattr(schedule, name))
    if len(meant) == count:
        return "*"
    written = _written(schedule, name)
    # A range may wrap around in Celery, and names of days may be whole words: then its numbers are listed.
    ranges = [part.partition("/")[0].split("-") for part in written.split(",")]
    plain = _PLAIN.fullmatch(written) and all(len(ends) == 1 or int(ends[0]) <= int(ends[1]) for ends in ranges)
    return written if plain else ",".join(map(str, meant))


def _written(schedule: Any, name: str) -> str:
    found = getattr(schedule, f"_orig_{name}")
    if isinstance(found, Iterable) and not isinstance(found, str):
        return ",".join(map(str, sorted(found)))
    return str(found).replace(" ", "")


def zone_of(schedule: Any) -> str:
    """Its IANA name; empty when it has none, such as the machine's own."""
    zone = schedule.tz
    if zone is UTC:
        return "UTC"
    return str(getattr(zone, "key", None) or getattr(zone, "zone", None) or "")


# ── Due times ────────────────────────────────────────────────────────────────────────────────────────────────────────


def due_after(schedule: Any, last: datetime | None) -> datetime | None:
    """The first due time after its last run. None: nobody knows, or there is none."""
    if last is None:
        return None
    aware: datetime = schedule.maybe_make_aware(last)
    if isinstance(schedule, schedules.schedule) and not schedule.relative:
        every: timedelta = schedule.run_every
        return aware.astimezone(UTC) + every
    left: timedelta | None = schedule.remaining_estimate(aware.astimezone(schedule.tz))
    if left is None:
        return None
    # What is left was counted from a moment ago: whole seconds are what it means.
    due = datetime.now(UTC) + left + timedelta(milliseconds=500)
    return due.replace(microsecond=0).astimezone(schedule.tz)


def due_now(schedule: Any, last: datetime | None) -> datetime | None:
    """For when what fires now was planned: of several due times that have passed, the last."""
    due, now = due_after(schedule, last), datetime.now(UTC)
    if not isinstance(schedule, schedules.crontab):
        return due
    for _ in range(_MADE_UP):
        following = due_after(schedule, due)
        if due is None or following is None or following > now or following <= due:
            break
        due = following
    return due


def micros(moment: datetime) -> int:
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def microseconds(length: timedelta) -> int:
    return length // timedelta(microseconds=1)


# ── As people ask for it ─────────────────────────────────────────────────────────────────────────────────────────────


def wish(params: Mapping[str, Any]) -> Wish:
    """The plan among the parameters of a verb. Raises Refused."""
    named = [name for name in ("cron", "every", "at") if params.get(name)]
    zone = str(params.get("zone") or "")
    _known(zone)
    if len(named) > 1:
        raise Refused("One plan at a time: a cron expression, an interval or a moment.")
    if not named:
        if any(params.get(name) is not None for name in ("cron", "every", "at")):
            raise Refused("An empty plan is none.")
        return Wish(zone=zone)
    given = params[named[0]]
    if named == ["cron"]:
        return Wish(cron=" ".join(str(given).split()), zone=zone)
    if not isinstance(given, int) or isinstance(given, bool) or given <= 0:
        raise Refused("An interval and a moment are positive numbers of microseconds.")
    return Wish(every=given, zone=zone) if named == ["every"] else Wish(at=given, zone=zone)


def _known(zone: str) -> None:
    try:
        ZoneInfo(zone or "UTC")
    except (OSError, ValueError, LookupError):
        raise Refused("There is no time zone of that name.") from None


def crontab(cron: str) -> dict[str, str]:
    """Celery's five fields of a cron expression. Raises Refused for one that it cannot keep, or that never fires."""
    parts = cron.split()
    if len(parts) == 6:
        raise Refused("Celery's crontab counts in minutes: it has no field for seconds.")
    if len(parts) != len(FIELDS):
        raise Refused("A cron expression has five fields: minute, hour, day of month, month, day of week.")
    fields = dict(zip(FIELDS, parts, strict=True))
    fields["month_of_year"] = re.sub(r"[A-Za-z]+", _month, fields["month_of_year"])
    fields["day_of_week"] = ",".join(map(_sunday, fields["day_of_week"].split(",")))
    try:
        made = schedules.crontab(**fields)
        made.remaining_estimate(datetime.now(UTC))
    except RuntimeError:
        raise Refused("That cron expression never fires.") from None
    except (ValueError, schedules.ParseException) as error:
        never = "never occurs" in str(error)
        why = "That cron expression never fires." if never else "Celery does not understand that cron expression."
        raise Refused(why) from None
    if not cron_of(made):
        why = (
            "Celery fires on days that match both day of month and day of week, cron on either: name one of them only."
        )
        raise Refused(why)
    return fields


def _month(found: re.Match[str]) -> str:
    """Its number: older releases of Celery know the names of days only."""
    name = found[0].lower()
    return str(_MONTHS.index(name) + 1) if name in _MONTHS else found[0]


def _sunday(part: str) -> str:
    """Cron's Sunday may be 7, Celery's is 0."""
    if part == "7":
        return "0"
    return f"{part[:-2]}-6,0" if re.fullmatch(r"\w+-7", part) else part

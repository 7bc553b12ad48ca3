"""What Huey's `crontab()` matches, read from the function that it made, and back to five fields of text.

Huey keeps no expression: its validators are functions that say yes or no to a minute. Of one that `crontab()` itself
made the numbers stand in its closure. Any other function decides as it likes: nobody can say what it will decide.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from huey import crontab

Validator = Callable[[datetime], bool]
_MADE_BY_CRONTAB: Final = crontab().__code__
_LOCALTIME: Final = "/etc/localtime"
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAYS_OF_MONTHS: Final = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class NoPlan(ValueError):
    """An expression that Huey cannot keep, with a sentence for whoever wished for it."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The numbers that fit. Huey wants all five to fit; crontab(5) takes a day by its date or by its weekday."""

    months: tuple[int, ...]
    days: tuple[int, ...]
    weekdays: tuple[int, ...]
    hours: tuple[int, ...]
    minutes: tuple[int, ...]

    @property
    def restricts_days_twice(self) -> bool:
        return len(self.days) < 31 and len(self.weekdays) < 7

    @property
    def fires(self) -> bool:
        """There is such a day in some year."""
        return any(day <= _DAYS_OF_MONTHS[month] for month in self.months for day in self.days)

    def text(self) -> str:
        """Five fields, as crontab(5) has them."""
        parts = (
            _text(self.minutes, range(60)),
            _text(self.hours, range(24)),
            _text(self.days, range(1, 32)),
            _text(self.months, range(1, 13)),
            _text(self.weekdays, range(7), steps=False),
        )
        return " ".join(parts)


def validator_of(kind: Any) -> Validator | None:
    """What the user handed to `periodic_task`, found in the closure of the method that Huey made of it."""
    for cell in getattr(kind.validate_datetime, "__closure__", None) or ():
        if callable(cell.cell_contents):
            found: Validator = cell.cell_contents
            return found
    return None


def read(validator: Any) -> Fields | None:
    """None: not one of crontab()'s."""
    code = getattr(validator, "__code__", None)
    if code is not _MADE_BY_CRONTAB:
        return None
    with suppress(Exception):
        names = dict(zip(code.co_freevars, validator.__closure__, strict=True))
        months, days, weekdays, hours, minutes = names["cron_settings"].cell_contents
        return Fields(
            tuple(months), tuple(days), tuple(sorted({day % 7 for day in weekdays})), tuple(hours), tuple(minutes)
        )
    return None


def parse(cron: str) -> tuple[Validator, str]:
    """The validator of an expression, and its text as Huey reads it. Raises NoPlan."""
    fields = cron.split()
    if len(fields) != 5:
        raise NoPlan(f"Huey looks once a minute: it takes five fields, not {len(fields)}.")
    minute, hour, day, month, weekday = (*fields[:3], _named(fields[3], _MONTHS, 1), _named(fields[4], _WEEKDAYS, 0))
    try:
        made = crontab(minute, hour, day, month, weekday, strict=True)
        found = read(made)
        if found is not None and found.restricts_days_twice:
            date = crontab(minute, hour, day, month, "*", strict=True)
            week = crontab(minute, hour, "*", month, weekday, strict=True)
            return (lambda moment: date(moment) or week(moment)), " ".join(fields)
    except ValueError as error:
        raise NoPlan(f"Huey cannot read {cron}: {str(error).rstrip('.')}.") from error
    if found is None or not found.fires:
        raise NoPlan(f"There is no such day, so it would never fire: {cron}.")
    return made, found.text()


def zone(*, utc: bool) -> str:
    """In which Huey reads the clock; "" where nobody knows the name of this machine's."""
    if utc:
        return "UTC"
    with suppress(Exception):
        named = os.environ.get("TZ", "").lstrip(":")
        if not named:
            _, _, named = os.path.realpath(_LOCALTIME).partition("zoneinfo/")
        if named:
            return ZoneInfo(named).key
    return "UTC" if not time.timezone and not time.daylight else ""


def _named(field: str, names: Iterable[str], first: int) -> str:
    field = field.lower()
    for number, name in enumerate(names, first):
        field = field.replace(name, str(number))
    return field


def _text(numbers: tuple[int, ...], every: range, *, steps: bool = True) -> str:
    if set(numbers) >= set(every):
        return "*"
    if steps:
        for step in range(2, len(every)):
            if len(numbers) > 1 and numbers == tuple(every[::step]):
                return f"*/{step}"
    if len(numbers) > 2 and numbers == tuple(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}-{numbers[-1]}"
    return ",".join(map(str, numbers))

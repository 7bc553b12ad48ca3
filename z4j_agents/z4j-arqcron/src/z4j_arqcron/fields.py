"""When an arq cron job is due, as crontab writes it and back.

arq keeps a number or a set of numbers for each field, None for all of them, and fires where all fields fit. A crontab
line fires where either of day and weekday fits, so what restricts both cannot be said in one.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import timedelta, timezone, tzinfo
from typing import Any, Final

from arq.cron import CronJob
from arq.typing import WEEKDAYS

#: The first and the last value of each field, in the order of crontab.
RANGES: Final = {
    "second": (0, 59),
    "minute": (0, 59),
    "hour": (0, 23),
    "day": (1, 31),
    "month": (1, 12),
    "weekday": (0, 6),
}
_ZERO: Final = frozenset({0})
_MONTHS: Final = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
#: As crontab counts them: Sunday is 0.
_DAYS: Final = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}

Fields = dict[str, frozenset[int] | None]


class Refused(ValueError):
    """arq cannot keep this plan; the message is a sentence for people."""


def fields_of(job: CronJob) -> Fields:
    """What restricts a cron job; None where every value fits."""
    return {name: _values(getattr(job, name), name) for name in RANGES}


def _values(given: Any, name: str) -> frozenset[int] | None:
    if given is None:
        return None
    if isinstance(given, str):
        given = WEEKDAYS.index(given.lower())
    found = frozenset({given} if isinstance(given, int) else given)
    first, last = RANGES[name]
    return None if found >= set(range(first, last + 1)) else found


def options(fields: Fields) -> dict[str, Any]:
    """As `arq.cron` takes them."""
    return {name: None if values is None else set(values) for name, values in fields.items()}


def written(fields: Fields) -> str:
    """As one would write it in the code."""
    told = [f"{name}={_set(values)}" for name, values in fields.items() if values is not None and name != "second"]
    second = fields["second"]
    told += [] if second == _ZERO else [f"second={None if second is None else _set(second)}"]
    return f"cron({', '.join(told)})"


def _set(values: frozenset[int]) -> str:
    numbers = sorted(values)
    return str(numbers[0]) if len(numbers) == 1 else f"{{{', '.join(map(str, numbers))}}}"


# As a crontab line.


def expression(fields: Fields) -> str | None:
    """Five fields, or six with the seconds first where they are not 0. None: no such line says it."""
    if fields["day"] is not None and fields["weekday"] is not None:
        return None
    weekday = fields["weekday"]
    turned: Fields = {
        **fields,
        "weekday": None if weekday is None else frozenset((day + 1) % 7 for day in weekday),
    }
    told = [_field(turned[name], *RANGES[name]) for name in RANGES]
    return " ".join(told[1:] if fields["second"] == _ZERO else told)


def _field(values: frozenset[int] | None, first: int, last: int) -> str:
    if values is None:
        return "*"
    numbers = sorted(values)
    for step in range(2, (last - first) // 2 + 1):
        if numbers == list(range(first, last + 1, step)):
            return f"*/{step}"
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}-{numbers[-1]}"
    return ",".join(map(str, numbers))


def parse(cron: str) -> Fields:
    """Raises Refused for what is no crontab line, never fires, or is not for arq."""
    words = cron.split()
    if len(words) not in (5, 6):
        raise Refused("A cron expression has five fields, or six with the seconds first.")
    words = ["0", *words] if len(words) == 5 else words
    fields = {name: _parsed(word, name) for name, word in zip(RANGES, words, strict=True)}
    if fields["day"] is not None and fields["weekday"] is not None:
        raise Refused(
            "crontab fires where either the day or the weekday fits, arq where both do: restrict one of them."
        )
    if not _ever(fields):
        raise Refused(f"There is no such day: {cron} never fires.")
    return fields


def _parsed(word: str, name: str) -> frozenset[int] | None:
    first, last = RANGES[name]
    last = 7 if name == "weekday" else last
    found: set[int] = set()
    for part in word.lower().split(","):
        try:
            found.update(_part(part, name, first, last))
        except ValueError:
            raise Refused(f"“{word}” is nothing that the field {name} of a cron expression can be.") from None
    if name == "weekday":
        found = {(day - 1) % 7 for day in found}
    return _values(found, name)


def _part(part: str, name: str, first: int, last: int) -> range:
    span, slash, text = part.partition("/")
    step = int(text) if slash else 1
    low, dash, high = span.partition("-")
    if span == "*":
        begin, end = first, 6 if name == "weekday" else last
    else:
        begin = _number(low, name)
        end = _number(high, name) if dash else (last if slash else begin)
    if not (first <= begin <= end <= last and step > 0):
        raise ValueError(part)
    return range(begin, end + 1, step)


def _number(word: str, name: str) -> int:
    names: Mapping[str, int] = {"month": _MONTHS, "weekday": _DAYS}.get(name, {})
    return names[word] if word in names else int(word)


def _ever(fields: Fields) -> bool:
    """Whether one of the months has one of the days. arq would look for it until the end of time."""
    months = fields["month"] or range(1, 13)
    longest = max(31 if month not in (2, 4, 6, 9, 11) else 29 if month == 2 else 30 for month in months)
    return fields["day"] is None or min(fields["day"]) <= longest


# The zone.


def zone_of(zone: tzinfo | None) -> str | None:
    """The IANA name of a worker's zone. None: an offset of its own that no name stands for."""
    if name := getattr(zone, "key", None):
        return str(name)
    offset = zone.utcoffset(None) if isinstance(zone, timezone) else None
    if offset is None:
        return None
    if not offset:
        return "UTC"
    hours, rest = divmod(offset, timedelta(hours=1))
    # The names of these count westwards. There is none beyond.
    return f"Etc/GMT{-hours:+d}" if not rest and -12 <= hours <= 14 else None

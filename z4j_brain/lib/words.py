"""Numbers as people read them: never without a unit."""

from __future__ import annotations

from datetime import date, timedelta

from django.utils import dateformat
from django.utils.translation import gettext

MINUTE, HOUR, DAY = 60, 3600, 86_400


def duration(milliseconds: float | timedelta | None) -> str:
    """`812 ms`, `4.1 s`, `30 s`, `6 min 12 s`, `2 h 05 min`, `3 d 4 h`; empty for nothing."""
    if milliseconds is None:
        return ""
    if isinstance(milliseconds, timedelta):
        milliseconds = milliseconds.total_seconds() * 1000
    if milliseconds < 1000:
        return f"{max(milliseconds, 0):.0f} ms"
    if round(milliseconds / 1000, 1) < MINUTE:
        return f"{milliseconds / 1000:.1f} s"
    return _long(round(milliseconds / 1000))


def percent(share: float | None) -> str:
    """`4.1 %`, `23 %`, `0.02 %`, `0 %`; empty for nothing."""
    if share is None:
        return ""
    number = share * 100
    if number >= 9.95 or not number:
        return f"{number:.0f} %"
    return f"{number:.1f} %" if number >= 0.095 else f"{number:.2g} %"


def rate(count: int, minutes: float) -> str:
    """`318 a minute`, `4.1 a minute`, `12 an hour`, `3 a day`: the shortest time in which there is one."""
    if not count or not minutes:
        return gettext("%(n)s a minute") % {"n": "0"}
    a_minute = count / minutes
    if a_minute >= 1:
        return gettext("%(n)s a minute") % {"n": _often(a_minute)}
    if a_minute * 60 >= 1:
        return gettext("%(n)s an hour") % {"n": _often(a_minute * 60)}
    return gettext("%(n)s a day") % {"n": _often(a_minute * 1440)}


def number(count: object) -> str:
    """`12,345`; empty for what nobody told, or not as a number."""
    return f"{count:,}" if isinstance(count, int) else ""


def day(moment: date, form: str = "j M") -> str:
    """`7 Nov`: the day of a date or a moment as it is, with the month's name; `form` is one of Django's."""
    return dateformat.format(moment, form)


def uncapped(text: object) -> str:
    """A word or a sentence as it stands in the middle of another."""
    said = str(text)
    return said[:1].lower() + said[1:]


def level(milliseconds: float) -> str:
    """A round duration in one unit, for a scale: `10 ms`, `1 s`, `10 min`, `1 h`, `10 d`."""
    for unit, length in (("d", 8.64e7), ("h", 3.6e6), ("min", 6e4), ("s", 1e3), ("ms", 1)):
        if milliseconds >= length:
            return f"{milliseconds / length:.0f} {unit}"
    return f"{milliseconds * 1000:.0f} µs"


def _often(times: float) -> str:
    return f"{times:,.0f}" if times >= 9.95 else f"{times:.1f}".removesuffix(".0")


def _long(seconds: int) -> str:
    if seconds < HOUR:
        return f"{seconds // MINUTE} min {seconds % MINUTE:02d} s"
    if seconds < DAY:
        return f"{seconds // HOUR} h {seconds % HOUR // MINUTE:02d} min"
    return f"{seconds // DAY} d {seconds % DAY // HOUR} h"

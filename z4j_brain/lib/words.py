"""Numbers as people read them: never without a unit."""

from __future__ import annotations

from datetime import timedelta

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
        return "0 a minute"
    for unit, length in (("a minute", 1), ("an hour", 60), ("a day", 1440)):
        often = count / minutes * length
        if often >= 1 or unit == "a day":
            break
    return f"{often:,.0f} {unit}" if often >= 9.95 else f"{often:.1f} {unit}".replace(".0 ", " ")


def number(count: object) -> str:
    """`12,345`; empty for what nobody told, or not as a number."""
    return f"{count:,}" if isinstance(count, int) else ""


def plural(count: int, word: str) -> str:
    """`1 task`, `12,345 tasks`."""
    return f"{count:,} {word}{'s' * (count != 1)}"


def level(milliseconds: float) -> str:
    """A round duration in one unit, for a scale: `10 ms`, `1 s`, `10 min`, `1 h`, `10 d`."""
    for unit, length in (("d", 8.64e7), ("h", 3.6e6), ("min", 6e4), ("s", 1e3), ("ms", 1)):
        if milliseconds >= length:
            return f"{milliseconds / length:.0f} {unit}"
    return f"{milliseconds * 1000:.0f} µs"


def _long(seconds: int) -> str:
    if seconds < HOUR:
        return f"{seconds // MINUTE} min {seconds % MINUTE:02d} s"
    if seconds < DAY:
        return f"{seconds // HOUR} h {seconds % HOUR // MINUTE:02d} min"
    return f"{seconds // DAY} d {seconds % DAY // HOUR} h"

"""Time zones by their IANA names, and the moments at which their clocks are changed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

from django.utils.translation import gettext

from z4j_brain.lib import words

_SECOND = timedelta(seconds=1)
#: No zone changes its clocks twice within so long, or very nearly none.
_STEP = timedelta(days=5)


@dataclass(frozen=True, slots=True)
class Shift:
    """Clocks are set forward or back at `at`: of local time, what lies between `first` and `end` is not there, or is
    there twice.
    """

    at: datetime
    first: datetime
    end: datetime
    is_gap: bool

    @property
    def size(self) -> timedelta:
        return self.end - self.first


def zone(name: str) -> ZoneInfo:
    """The zone of this name; ValueError, with a sentence for people, when there is none."""
    if name not in names():
        near = difflib.get_close_matches(name, sorted(names()), 1)
        hint = gettext("Zones are named as in Europe/Berlin or UTC.")
        hint = gettext("Did you mean %(zone)s?") % {"zone": near[0]} if near else hint
        said = (
            gettext("There is no time zone %(zone)s.") % {"zone": name} if name else gettext("A time zone is missing.")
        )
        raise ValueError(f"{said} {hint}")
    return _load(name)


@cache
def names() -> frozenset[str]:
    """Every zone that is known here."""
    return frozenset(available_timezones() - {"localtime", "posixrules", "Factory"})


@lru_cache(maxsize=1024)
def _load(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def place(local: datetime, where: ZoneInfo) -> datetime:
    """When clocks there show this, in UTC: the first time where they show it twice, and the moment at which they are
    set forward where they never do.
    """
    aware = local.replace(tzinfo=where, fold=0)
    moment = aware.astimezone(UTC)
    if moment.astimezone(where).replace(tzinfo=None) == local:
        return moment
    return _change(where, aware.replace(fold=1).astimezone(UTC), moment)


def exact(local: datetime, where: ZoneInfo) -> datetime:
    """The one moment at which clocks there show this, in UTC; ValueError, with a sentence, when it is not one."""
    moments = {local.replace(tzinfo=where, fold=fold).astimezone(UTC) for fold in (0, 1)}
    told = {"time": f"{local:%H:%M}", "day": words.day(local, "d M Y"), "zone": where.key}
    if len(moments) == 1:
        return moments.pop()
    if all(moment.astimezone(where).replace(tzinfo=None) == local for moment in moments):
        twice = gettext(
            "%(time)s on %(day)s comes twice in %(zone)s, where clocks are set back: say which, with an offset."
        )
        raise ValueError(twice % told)
    gap = gettext("%(time)s on %(day)s does not exist in %(zone)s: clocks are set forward over it.")
    raise ValueError(gap % told)


def shifts(where: ZoneInfo, since: datetime, until: datetime) -> Iterator[Shift]:
    """Each change of the clocks in this time, the first one first."""
    here = since.astimezone(UTC)
    while here < until:
        then = min(here + _STEP, until.astimezone(UTC))
        before, after = _offset(here, where), _offset(then, where)
        if before != after:
            at = _change(where, here, then)
            edges = sorted((at.replace(tzinfo=None) + before, at.replace(tzinfo=None) + after))
            yield Shift(at, edges[0], edges[1], is_gap=after > before)
        here = then


def next_shift(where: ZoneInfo, after: datetime, until: datetime) -> Shift | None:
    """The first change of the clocks later than `after` and not later than `until`."""
    for year in range(after.year, until.year + 1):
        for shift in _of_year(where, year):
            if after < shift.at <= until:
                return shift
    return None


@lru_cache(maxsize=8192)
def _of_year(where: ZoneInfo, year: int) -> tuple[Shift, ...]:
    return tuple(shifts(where, datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)))


def _change(where: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first moment with the later of two offsets, to the second."""
    low, high, offset = before.replace(microsecond=0), after.replace(microsecond=0), _offset(after, where)
    while high - low > _SECOND:
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        low, high = (low, middle) if _offset(middle, where) == offset else (middle, high)
    return high


def _offset(moment: datetime, where: ZoneInfo) -> timedelta:
    return moment.astimezone(where).utcoffset() or timedelta(0)

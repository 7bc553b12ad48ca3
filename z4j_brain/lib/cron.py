"""Cron expressions: what one says, and the moments it is about. A library reads them; the clocks' changes are ours.

Five fields as in crontab(5), or six with the seconds first; names as MON or JAN, `L`, `LW`, `5L` and `MON#2`; @hourly,
@daily, @weekly, @monthly and @yearly. Where neither day field begins with a star, either is enough.

Clocks that are changed: an expression whose minute and hour are both fixed is about a time of day. It is due once a
day: when the clocks are set forward over it, at that moment; when they are set back, the first time. Any other is
about what clocks show: what they never show is not due, and what they show twice is due twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from django.utils.translation import gettext, gettext_lazy, ngettext

from z4j_brain.lib import zones

ALIASES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
#: The fields, with what each takes.
FIELDS: Final = {
    "second": gettext_lazy("0 to 59"),
    "minute": gettext_lazy("0 to 59"),
    "hour": gettext_lazy("0 to 23"),
    "day of the month": gettext_lazy("1 to 31, L or LW"),
    "month": gettext_lazy("1 to 12, or JAN to DEC"),
    "day of the week": gettext_lazy("0 to 7 (Sunday is 0 and 7), or SUN to SAT, 5L or MON#2"),
}
_NAMES: Final = {
    "second": gettext_lazy("second"),
    "minute": gettext_lazy("minute"),
    "hour": gettext_lazy("hour"),
    "day of the month": gettext_lazy("day of the month"),
    "month": gettext_lazy("month"),
    "day of the week": gettext_lazy("day of the week"),
}
LONGEST: Final = 200
_NEVER: Final = gettext_lazy("It would never be due: there is no such day.")
#: From here it is looked for the first time that an expression is due.
_START: Final = datetime(2000, 1, 1)


@lru_cache(maxsize=4096)
def fields(text: str) -> tuple[str, ...]:
    """The five or six fields of an expression that is due at some time; else ValueError, with a sentence for people."""
    if len(text) > LONGEST:
        raise ValueError(gettext("A cron expression has at most %(n)s characters.") % {"n": LONGEST})
    parts = _expand(text).upper().split()
    if len(parts) not in (5, 6):
        said = ngettext("%(n)s field", "%(n)s fields", len(parts)) % {"n": len(parts)} if parts else gettext("none")
        wrong = gettext("A cron expression has five fields, or six with the seconds first; this one has %(fields)s.")
        raise ValueError(wrong % {"fields": said})
    _check(parts)
    return tuple(parts)


def _expand(text: str) -> str:
    short = text.strip().lower()
    if not short.startswith("@"):
        return text
    if short == "@reboot":
        raise ValueError(gettext("@reboot is about the start of one machine: there is no such time here."))
    if short not in ALIASES:
        told = {"name": text.strip(), "names": ", ".join(ALIASES)}
        raise ValueError(gettext("%(name)s is not known: %(names)s are.") % told)
    return ALIASES[short]


def _check(parts: list[str]) -> None:
    names = list(FIELDS)[-len(parts) :]
    for at, (name, part) in enumerate(zip(names, parts, strict=True)):
        try:
            CronSim(" ".join(part if here == at else "*" for here in range(len(parts))), _START)
        except (CronSimError, AssertionError, ValueError):
            told = {"field": _NAMES[name], "text": part, "takes": FIELDS[name]}
            wrong = gettext("The %(field)s, %(text)s, cannot be read: %(takes)s, with * , - and /.")
            raise ValueError(wrong % told) from None
    try:
        next(CronSim(" ".join(parts), _START))
    except (CronSimError, StopIteration):
        raise ValueError(str(_NEVER)) from None


def is_fixed(text: str) -> bool:
    """Whether it is about times of day."""
    minute, hour = fields(text)[-5:-3]
    return not minute.startswith("*") and not hour.startswith("*")


def after(text: str, moment: datetime, where: ZoneInfo) -> Iterator[datetime]:
    """The moments at which it is due, in UTC, each later than the one before, and the first than `moment`."""
    last = moment.astimezone(UTC)
    for due in _due(text, last, where):
        if due > last:
            yield due
            last = due


def shown(text: str, first: datetime, end: datetime) -> Iterator[datetime]:
    """Of local time from `first` until `end`, what it is about, whether clocks show it or not."""
    for local in CronSim(" ".join(fields(text)), first - timedelta(seconds=1)):
        if local >= end:
            return
        yield local


def _due(text: str, moment: datetime, where: ZoneInfo) -> Iterator[datetime]:
    """The same from about then on, in order; of what is fixed, some may come again, or be over already.

    The library is asked for local times only: where clocks are changed by less than an hour, it gets others wrong.
    """
    expression = " ".join(fields(text))
    if is_fixed(text):
        for local in CronSim(expression, moment.astimezone(where).replace(tzinfo=None)):
            yield zones.place(local, where)
        return
    begun = here = moment
    while True:
        offset, shift = here.astimezone(where).utcoffset() or timedelta(0), None
        for local in CronSim(expression, (begun + offset).replace(tzinfo=None)):
            due = (local - offset).replace(tzinfo=UTC)
            if shift := zones.next_shift(where, here, due):
                begun, here = shift.at - timedelta(seconds=1), shift.at
                break
            yield due
            here = due
        if shift is None:
            return

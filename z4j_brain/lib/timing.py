"""When a schedule is due: plans of every kind, their next times, their words, and what changed clocks do to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from django.utils.translation import gettext, ngettext
from z4j_core.timetable import Plan as Kind

from z4j_brain.lib import cron as expressions
from z4j_brain.lib import timing_words, zones
from z4j_brain.lib.words import day as day_of
from z4j_brain.lib.zones import Shift

__all__ = ["Change", "Kind", "Plan", "Wrong", "between", "changes", "next_after", "parse", "words", "zone"]

zone = zones.zone
#: Bounds of an interval, in microseconds.
SHORTEST, LONGEST = 1_000_000, 10 * 366 * 86_400 * 1_000_000
#: Times are told apart by it.
RESOLUTION: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR: Final = timedelta(days=366)
#: Times that a notice tells one by one.
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """When: by `cron` in `zone`; each `every` microseconds, counted from `at`, or from the epoch; or once, `at`.

    `kind` is a value of `Kind`; of one that is `other`, nothing is known here.
    """

    kind: str
    cron: str = ""
    every: int | None = None
    at: datetime | None = None
    zone: str = "UTC"


class Wrong(ValueError):
    """A sentence for people on what is wrong with one `field` of a plan."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


@dataclass(frozen=True, slots=True)
class Change:
    """A notice: the clocks are changed at `shift.at`, and these `times` of the plan, local and as clocks would show
    them, are not there (`shift.is_gap`) or there twice. `count`: of all of them. `what` says so in a sentence, and
    `then` what z4j does with a schedule of its own; what another scheduler does, it alone knows.
    """

    shift: Shift
    times: tuple[datetime, ...]
    count: int
    what: str
    then: str


def parse(plan: Plan) -> Plan:
    """The plan, if it can be kept; else `Wrong`, on its first field that is wrong."""
    try:
        zones.zone(plan.zone)
    except ValueError as error:
        raise Wrong("zone", str(error)) from None
    match plan.kind:
        case Kind.CRON:
            try:
                expressions.fields(plan.cron)
            except ValueError as error:
                raise Wrong("cron", str(error)) from None
        case Kind.INTERVAL:
            if plan.every is None or not SHORTEST <= plan.every <= LONGEST:
                raise Wrong("every", gettext("An interval is from one second to ten years."))
        case Kind.ONCE:
            if plan.at is None or plan.at.tzinfo is None:
                raise Wrong("at", gettext("A one-shot needs its moment, with its offset."))
        case Kind.OTHER:
            pass
        case _:
            raise Wrong("plan", f"A plan is one of {', '.join(Kind)}.")
    return plan


def next_after(plan: Plan, moment: datetime) -> datetime | None:
    """The first time, in UTC, that is later than `moment`. None: there is none, or nobody knows."""
    return next(_times(plan, moment), None)


def between(plan: Plan, a: datetime, b: datetime, most: int) -> list[datetime]:
    """The times later than `a` and not later than `b`, the first `most` of them."""
    found = []
    for due in islice(_times(plan, a), most):
        if due > b:
            break
        found.append(due)
    return found


def words(plan: Plan) -> str:
    """In plain language; empty where nothing is known."""
    if plan.kind == Kind.CRON:
        return timing_words.of_cron(plan.cron)
    if plan.kind == Kind.INTERVAL and plan.every is not None:
        return timing_words.of_interval(plan.every)
    if plan.kind == Kind.ONCE and plan.at is not None:
        return timing_words.of_moment(plan.at.astimezone(zones.zone(plan.zone)))
    return ""


def changes(plan: Plan, since: datetime) -> list[Change]:
    """What the changes of the clocks do to it in the year after `since`; nothing for what does not follow clocks."""
    if plan.kind != Kind.CRON:
        return []
    where = zones.zone(plan.zone)
    found = (_change(plan.cron, where, shift) for shift in zones.shifts(where, since, since + _YEAR))
    return [change for change in found if change is not None]


def _times(plan: Plan, moment: datetime) -> Iterator[datetime]:
    if plan.kind == Kind.CRON:
        yield from expressions.after(plan.cron, moment, zones.zone(plan.zone))
    elif plan.kind == Kind.INTERVAL and plan.every:
        begun, every = plan.at or _EPOCH, timedelta(microseconds=plan.every)
        number = max((moment - begun) // every + 1, 1)
        while True:
            yield (begun + number * every).astimezone(UTC)
            number += 1
    elif plan.kind == Kind.ONCE and plan.at is not None and plan.at > moment:
        yield plan.at.astimezone(UTC)


def _change(text: str, where: ZoneInfo, shift: Shift) -> Change | None:
    """Where every hour is alike, an hour more or less is no news."""
    if expressions.fields(text)[-4] == "*" and not shift.size % timedelta(hours=1):
        return None
    times = list(expressions.shown(text, shift.first, shift.end))
    if not times:
        return None
    day, named = shift.at.astimezone(where), _named(times)
    first, end, fixed = f"{shift.first:%H:%M}", f"{shift.end:%H:%M}", expressions.is_fixed(text)
    if shift.is_gap:
        what = ngettext("%(times)s does not exist", "%(times)s do not exist", len(times))
        told = gettext("On %(day)s clocks in %(zone)s go forward from %(first)s to %(end)s: %(what)s.")
        late = gettext("It is due once, at %(end)s.") % {"end": end} if fixed else gettext("It is not due then.")
    else:
        what = ngettext("%(times)s comes twice", "%(times)s come twice", len(times))
        told = gettext("On %(day)s clocks in %(zone)s go back from %(end)s to %(first)s: %(what)s.")
        late = gettext("It is due the first time only.") if fixed else gettext("It is due both times.")
    said = {"day": day_of(day, "j M Y"), "zone": where.key, "first": first, "end": end, "what": what % {"times": named}}
    return Change(shift, tuple(times[:_NAMED]), len(times), told % said, late)


def _named(times: list[datetime]) -> str:
    told = [f"{time:%H:%M:%S}" if time.second else f"{time:%H:%M}" for time in times[:_NAMED]]
    if len(times) > _NAMED:
        return gettext("%(names)s and %(n)s more") % {"names": ", ".join(told), "n": len(times) - _NAMED}
    both = gettext("%(names)s and %(last)s") % {"names": ", ".join(told[:-1]), "last": told[-1]}
    return both if len(told) > 1 else told[0]

"""Our times of cron expressions against those of another library, by somebody else: 10,000 random ones, in all zones.

The other library is asked for local times only, so that what clocks that are changed do to them is said here, once
more and in other words: what is fixed is due once, at the first of its moments, or when the clocks jump over it; what
is not is due as often as clocks show it. Stated besides: it is told to let a star in either day field mean that both
must match, as crontab(5) of Debian has it, where by itself it would take either.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from croniter import croniter

from z4j_brain.lib import cron, timing, zones
from z4j_brain.lib.timing import Kind, Plan

EXAMPLES = 10_000
#: Times that are compared of each.
TIMES = 5
FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)
#: More than any clock is ever changed by.
WIDE = timedelta(hours=3)
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def test_ten_thousand_random_expressions_are_due_when_another_library_says_so():
    names, near, compared = sorted(zones.names()), 0, 0
    for _ in range(EXAMPLES):
        text, where = _expression(), zones.zone(random.choice(names))
        moment, is_near = _moment(where)
        try:
            cron.fields(text)
        except ValueError:
            assert not list(islice(_local(text, FIRST.replace(tzinfo=None)), 1)), text
            continue
        ours = list(islice(cron.after(text, moment, where), TIMES))
        assert ours == list(islice(_expected(text, moment, where, ours[-1]), TIMES)), (text, where.key, moment)
        near, compared = near + is_near, compared + 1
    assert compared > EXAMPLES * 0.9
    assert near > EXAMPLES * 0.2


def test_a_star_with_a_step_in_a_day_field_means_both_days_here_as_in_debians_cron():
    first = timing.next_after(Plan(Kind.CRON, cron="0 0 */2 * MON"), datetime(2026, 11, 27, tzinfo=UTC))
    assert first is not None
    assert (first.day % 2, first.weekday()) == (1, 0)
    other = croniter("0 0 */2 * MON", datetime(2026, 11, 27)).get_next(datetime)
    assert other == datetime(2026, 11, 29)  # an odd day, and a Sunday: this library takes either by itself


def _expected(text: str, moment: datetime, where: ZoneInfo, last: datetime) -> Iterator[datetime]:
    """The moments later than `moment` at which it should be due, up to about `last`."""
    wide = WIDE if _offsets(where, moment - WIDE, last + WIDE) > 1 else timedelta(0)
    begun = (moment.astimezone(where).replace(tzinfo=None)) - wide
    end = (last.astimezone(where).replace(tzinfo=None)) + wide
    due = set()
    for local in takewhile(lambda local: local <= end, _local(text, begun)):
        due |= _moments(local, where, is_fixed=not any(part.startswith("*") for part in cron.fields(text)[-5:-3]))
    yield from sorted(one for one in due if one > moment)


def _moments(local: datetime, where: ZoneInfo, *, is_fixed: bool) -> set[datetime]:
    both = {local.replace(tzinfo=where, fold=fold).astimezone(UTC) for fold in (0, 1)}
    real = {one for one in both if one.astimezone(where).replace(tzinfo=None) == local}
    if is_fixed and not real:
        return {_jump(where, min(both))}
    return {min(real)} if is_fixed else real


def _jump(where: ZoneInfo, before: datetime) -> datetime:
    """The first minute from then on with another offset."""
    here, offset = before.replace(second=0), before.astimezone(where).utcoffset()
    while here.astimezone(where).utcoffset() == offset:
        here += timedelta(minutes=1)
    return here


def _local(text: str, begun: datetime) -> Iterator[datetime]:
    """What the other library makes of it, by clocks that are never changed."""
    there = croniter(
        _theirs(text), begun, second_at_beginning=True, implement_cron_bug=True, max_years_between_matches=60
    )
    yield from there.all_next(datetime)


def _theirs(text: str) -> str:
    """It says L5 where we say 5L."""
    *rest, weekday = text.split()
    return " ".join([*rest, f"L{weekday[:-1]}" if weekday.endswith("L") else weekday])


@cache
def _changes(where: ZoneInfo) -> list[datetime]:
    return [shift.at for shift in zones.shifts(where, FIRST, LAST)]


def _offsets(where: ZoneInfo, since: datetime, until: datetime) -> int:
    """Roughly how many offsets there are in between: two where clocks are changed."""
    return 1 + any(since <= at <= until for at in _changes(where)) + (until > LAST)


def _moment(where: ZoneInfo) -> tuple[datetime, bool]:
    """Any, or, where there is one, within a day of a change of the clocks."""
    if (changes := _changes(where)) and random.random() < 0.7:
        return random.choice(changes) + timedelta(minutes=random.randint(-300, 200)), True
    return FIRST + timedelta(seconds=random.randint(0, int((LAST - FIRST).total_seconds()))), False


def _expression() -> str:
    day = random.choice((lambda: "*",) * 6 + (lambda: _field(1, 31), lambda: _field(1, 28), lambda: "L"))()
    weekday = random.choice((lambda: "*",) * 5 + (lambda: _field(0, 7, DAYS), _nth))()
    if day == "L" or "#" in weekday or weekday.endswith("L"):  # beside another day, the other library knows them not
        day, weekday = random.choice(((day, "*"), ("*", weekday)))
    parts = [_field(0, 59), _field(0, 23), day, _field(1, 12, MONTHS) if random.random() < 0.2 else "*", weekday]
    if random.random() < 0.15:
        parts.insert(0, random.choice(("0", "30", str(random.randint(0, 59)), "*/30", "10,20")))
    return " ".join(parts)


def _nth() -> str:
    return random.choice((f"{random.randint(0, 6)}L", f"{random.choice(DAYS)}#{random.randint(1, 4)}"))


def _field(first: int, last: int, names: tuple[str, ...] = ()) -> str:
    low, high = sorted(random.sample(range(first, last + 1), 2))
    step = random.randint(1, 12)
    shape = random.random()
    if shape < 0.15:
        return "*"
    if shape < 0.3:
        return f"*/{step}"
    if shape < 0.4:
        return f"{low}-{high}"
    if shape < 0.5:
        return f"{low}-{high}/{step}"
    if shape < 0.6:
        return f"{low},{high},{random.randint(first, last)}"
    if names and shape < 0.8:
        return names[(low - first) % len(names)]
    return str(random.randint(first, last))

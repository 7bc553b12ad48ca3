"""What may be asked of statistics: a range or two bounds, and the tasks they are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

import django_filters as filters
from django.http import QueryDict
from django.utils.translation import gettext

from z4j_brain.lib.listing import MomentFilter, StrictFilterSet, TextFilter, invalid
from z4j_brain.lib.problem import Fault
from z4j_brain.stats.models import ByQueue
from z4j_brain.stats.spans import LONGEST, RANGES, USUAL, Span
from z4j_brain.stats.states import Grain

#: No rollup is older than this software.
OLDEST = datetime(2020, 1, 1, tzinfo=UTC)
TABLES = ("name", "queue")


class About(TypedDict):
    engine: str | None
    queue: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """None: any. `by`: the table that is wanted beside the series."""

    span: Span
    engine: str | None = None
    queue: str | None = None
    name: str | None = None
    by: str | None = None

    @property
    def tasks(self) -> About:
        """The tasks it is about, as the queries take it."""
        return About(engine=self.engine, queue=self.queue, name=self.name)


#: How the address of a list says its time.
TIMES = ("since", "after", "before")
#: What a list may be narrowed by so that statistics can still tell of it; by state they tell of all.
_TOLD = {"engine", "queue", "name", "state", *TIMES}


def listed(parameters: Mapping[str, str], now: datetime) -> Asked | None:
    """What the address of a list of tasks asks of statistics; None where they cannot tell."""
    given = {name: value for name, value in parameters.items() if value}
    if given.keys() - _TOLD or {"queue", "name"} <= given.keys():
        return None
    finest = Grain.HOUR if "name" in given else Grain.FIVE_MINUTES
    tasks = {name: given.get(name) for name in ("engine", "queue", "name")}
    if not given.keys() & {"after", "before"}:
        since = given.get("since", USUAL)
        return Asked(Span.recent(since, now, finest), **tasks) if since in RANGES else None
    if "after" not in given:
        return None
    start, end = (datetime.fromisoformat(given[name]) if name in given else now for name in ("after", "before"))
    span = Span.between(start, min(end, now), finest) if OLDEST < start < min(end, now) <= start + LONGEST else None
    # Of one or two bars there is nothing to see.
    return Asked(span, **tasks) if span and len(span.starts) > 2 else None


class StatsFilter(StrictFilterSet):
    range = filters.ChoiceFilter(choices=[(name, name) for name in RANGES])
    start = MomentFilter()
    end = MomentFilter()
    engine = TextFilter()
    queue = TextFilter()
    name = TextFilter()
    by = filters.ChoiceFilter(choices=[(name, name) for name in TABLES])
    also = frozenset()


def read(query: QueryDict, now: datetime) -> Asked:
    """What the parameters say; a problem of status 400 that points at each that is wrong."""
    strict = StatsFilter(query, queryset=ByQueue.objects.none())
    faults = strict.faults()
    given = {} if faults else {name: value for name, value in strict.form.cleaned_data.items() if value}
    if faults := faults or _contradictions(given, now):
        raise invalid(faults)
    finest = Grain.HOUR if "name" in given else Grain.FIVE_MINUTES
    tasks = {name: given.get(name) for name in ("engine", "queue", "name", "by")}
    if "start" in given:
        return Asked(Span.between(given["start"], given["end"], finest), **tasks)
    return Asked(Span.recent(given.get("range", USUAL), now, finest), **tasks)


def _contradictions(given: dict[str, Any], now: datetime) -> list[Fault]:
    faults = []
    if "range" in given and given.keys() & {"start", "end"}:
        faults.append(Fault(pointer="range", detail=gettext("Give a range, or start and end.")))
    if "end" in given and "start" not in given:
        faults.append(Fault(pointer="start", detail=gettext("An end needs a start.")))
    elif "start" in given:
        end = given["end"] = min(given.get("end", now), now)  # nothing is known of the future
        length = end - given["start"]
        if given["start"] < OLDEST:
            faults.append(Fault(pointer="start", detail=gettext("Not before %(year)s.") % {"year": f"{OLDEST:%Y}"}))
        elif length <= timedelta():
            detail = gettext("The start comes before the end, which is now unless given.")
            faults.append(Fault(pointer="start", detail=detail))
        elif length > LONGEST:
            detail = gettext("At most %(days)s days before the end.") % {"days": LONGEST.days}
            faults.append(Fault(pointer="start", detail=detail))
    if len({*given, given.get("by", "")} & {*TABLES}) > 1:
        detail = gettext("Tasks are counted by queue or by name, not by both at once.")
        faults.append(Fault(pointer="by", detail=detail))
    return faults

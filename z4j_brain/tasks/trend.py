"""How the tasks of one name went lately, and where one run of it stands among them.

Statistics count all queues of a name: this is for whoever sees everything in the environment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypedDict
from urllib.parse import urlencode

from django.utils import timezone
from django.utils.translation import gettext

from z4j_brain.lib.words import duration, percent
from z4j_brain.stats import figures, queries
from z4j_brain.stats.figures import Bars, Lines
from z4j_brain.stats.queries import Series
from z4j_brain.stats.sentences import ENOUGH, earlier, lately
from z4j_brain.stats.spans import Span
from z4j_brain.stats.states import Grain
from z4j_brain.stats.totals import Totals
from z4j_brain.tasks.models import Task

#: The stretches of time that are tried, the first in which anything ended is told of.
SPANS: Final = ("24h", "7d")
#: Among so much a run is told to be where it stands.
STANDING: Final = "7d"


class _Name(TypedDict):
    engine: str
    name: str


@dataclass(frozen=True, slots=True)
class Trend:
    """`before`: what the stretch of time before came to. `standing`: where the run at hand stands; empty for none."""

    series: Series
    before: Totals
    bars: Bars
    p95: Lines | None
    standing: str
    name: str
    engine: str

    @property
    def total(self) -> Totals:
        return self.series.total

    @property
    def span(self) -> str:
        return self.series.span.name

    @property
    def words(self) -> str:
        return lately(self.series.span)

    @property
    def earlier(self) -> str:
        return earlier(self.series.span)

    @property
    def failed(self) -> tuple[str, str]:
        """The share that failed now and before, in words."""
        return percent(self.total.failure_rate), percent(self.before.failure_rate)

    @property
    def ran(self) -> tuple[str, str]:
        """What one in twenty took at least, now and before."""
        return duration(self.total.runtime_ms.p95), duration(self.before.runtime_ms.p95)

    @property
    def query(self) -> str:
        """Of the page of statistics."""
        return urlencode({"since": self.span, "engine": self.engine, "name": self.name})

    @property
    def list_query(self) -> str:
        """Of the list, for an address that goes on with `after` and `before`."""
        return urlencode({"engine": self.engine, "name": self.name}) + "&"


def trend(task: Task) -> Trend | None:
    """None where nothing of its name ended lately."""
    now, about = timezone.now(), _Name(engine=task.engine, name=task.name)
    if not task.name:
        return None
    for name in SPANS:
        span = Span.recent(name, now, Grain.HOUR)
        series = queries.series(task.environment_id, span, **about)
        if series.total.ended:
            before = queries.whole(task.environment_id, span.before, **about)
            bars = figures.bars(series)
            lines = figures.lines(bars.points, "runtime_ms")
            week = Span.recent(STANDING, now, Grain.HOUR)
            among = series.total if name == STANDING else queries.whole(task.environment_id, week, **about)
            return Trend(series, before, bars, lines, standing(task, among), **about)
    return None


def standing(task: Task, among: Totals) -> str:
    """`slower than 95 % of its runs in the last 7 days`; of too few runs nothing is said."""
    if not task.is_final or task.runtime_ms is None:
        return ""
    faster, slower, runs = among.around(task.runtime_ms)
    if runs < ENOUGH:
        return ""
    share = max(faster, slower)
    told = int(share * 100) if share < 1 else 99
    if told < 1:
        return gettext("as fast as its other runs are")
    if faster >= slower:
        return gettext("slower than %(share)s of its runs in the last 7 days") % {"share": f"{told} %"}
    return gettext("faster than %(share)s of its runs in the last 7 days") % {"share": f"{told} %"}

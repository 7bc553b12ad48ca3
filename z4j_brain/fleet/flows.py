"""How fast queues fill and drain, and what becomes of what waits there: the same on every page and over the API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.utils import timezone
from django.utils.translation import gettext, ngettext, pgettext

from z4j_brain.fleet import queries as fleet
from z4j_brain.fleet.models import Queue, Worker
from z4j_brain.fleet.queries import Serving
from z4j_brain.lib import nouns
from z4j_brain.lib.words import number, rate
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.stats import figures
from z4j_brain.stats import queries as stats
from z4j_brain.stats.metrics import Metric
from z4j_brain.stats.queries import Point
from z4j_brain.stats.spans import Span
from z4j_brain.stats.totals import Totals

#: The stretch that says how fast a queue fills and drains now, and the one that a small line draws.
PACE, DRAWN = "15m", "1h"
#: A queue that holds less does not fill.
DEEP = 10
#: Times by which more must arrive than end before a queue is said to fill.
FASTER = 1.05


class Outlook(StrEnum):
    """What becomes of what waits in a queue."""

    STALE = "stale"
    EMPTY = "empty"
    PAUSED = "paused"
    UNSERVED = "unserved"
    FILLS = "fills"
    STANDS = "stands"
    DRAINS = "drains"
    KEEPS = "keeps"


@dataclass(frozen=True, slots=True)
class Flow:
    """A queue with who takes from it, and what came in and went out lately. `points`: the last hour, piece by piece."""

    queue: Queue
    serving: Serving
    totals: Totals
    minutes: float
    points: tuple[Point, ...] = ()

    @property
    def came(self) -> str:
        return rate(self.totals.arrived, self.minutes)

    @property
    def went(self) -> str:
        return rate(self.totals.ended, self.minutes)

    @property
    def came_a_second(self) -> float:
        return self._a_second(self.totals.arrived)

    @property
    def went_a_second(self) -> float:
        return self._a_second(self.totals.ended)

    @property
    def is_paused(self) -> bool:
        """Is nothing taken from it because somebody wants it so?"""
        return self.queue.paused_at is not None or self.serving.is_paused

    @property
    def fills(self) -> bool:
        deep, faster = self.queue.depth >= DEEP, self.totals.arrived > FASTER * self.totals.ended
        return deep and faster and not self.queue.is_stale

    @property
    def drains_ms(self) -> float | None:
        """How long until it is empty at this pace; None when it will not be."""
        net = (self.totals.ended - self.totals.arrived) / self.minutes if self.minutes else 0
        return self.queue.depth / net * 60_000 if net > 0 else None

    @property
    def drains_s(self) -> float | None:
        """The same in seconds, as far as anything can be said: 0 for an empty queue."""
        if self.outlook == Outlook.EMPTY:
            return 0.0
        milliseconds = self.drains_ms if self.outlook == Outlook.DRAINS else None
        return None if milliseconds is None else round(milliseconds / 1000, 1)

    @property
    def outlook(self) -> Outlook:
        """What matters most first."""
        if self.queue.is_stale:
            return Outlook.STALE
        if self.is_paused:
            return Outlook.PAUSED
        if not self.queue.depth:
            return Outlook.EMPTY
        if not self.serving.workers:
            return Outlook.UNSERVED
        if self.fills:
            return Outlook.FILLS
        if not self.totals.ended:
            return Outlook.STANDS
        return Outlook.DRAINS if self.drains_ms else Outlook.KEEPS

    @property
    def forecast(self) -> str:
        """The outlook as a sentence goes on after the name of the queue."""
        return _FORECASTS[self.outlook](self)

    @property
    def soon(self) -> str:
        """When it is empty, as far as it will be."""
        return soon(self.drains_ms) if self.drains_ms is not None else ""

    @property
    def sparks(self) -> tuple[str, str]:
        """What came and what went, as two lines on one scale. The piece that has just begun would look like a fall."""
        whole = self.points[:-1]
        most = max((max(point.totals.arrived, point.totals.ended) for point in whole), default=0)
        came = figures.spark([point.totals.arrived for point in whole], most)
        return came, figures.spark([point.totals.ended for point in whole], most)

    def _a_second(self, count: int) -> float:
        return round(count / (self.minutes * 60), 4) if self.minutes else 0.0


def flows(
    actor: Actor, environment: Environment, queues: Sequence[Queue], workers: Iterable[Worker] | None = None
) -> list[Flow]:
    """For each of these queues, in two queries. `workers`: those heard last, where somebody has them."""
    now = timezone.now()
    drawn, pace = Span.recent(DRAWN, now), Span.recent(PACE, now)
    found = stats.of_queues(environment.pk, drawn, {queue.name for queue in queues})
    serving = fleet.serving(queues, fleet.heard(actor, environment) if workers is None else workers)
    minutes = pace.minutes(now)
    made = []
    for queue in queues:
        points = found.get((queue.engine, queue.name), ())
        lately = Totals.together(point.totals for point in points if point.start >= pace.since)
        made.append(Flow(queue, serving[queue.pk], lately, minutes, points))
    return made


def flow(actor: Actor, environment: Environment, queue: Queue) -> Flow:
    return flows(actor, environment, [queue])[0]


def strip(flow: Flow, paced: bool = True) -> list[Metric]:
    """The numbers at the head of a queue's own page; `paced`: with how many tasks came and went."""
    queue, serving = flow.queue, flow.serving
    came, went = flow.sparks if flow.points else ("", "")
    lately = gettext("in the last 15 minutes")
    counts = ((gettext("%(n)s delayed"), queue.delayed), (gettext("%(n)s taken"), queue.in_flight))
    around = [words % {"n": number(count)} for words, count in counts if count]
    served = nouns.workers(len(serving.workers)) if serving.workers else gettext("no worker")
    slots = gettext("of %(n)s") % {"n": f"{serving.slots:,}"}
    pace = [
        Metric(pgettext("what comes", "In"), *_parted(flow.came), lately, spark=came),
        Metric(pgettext("what goes", "Out"), *_parted(flow.went), lately, spark=went),
    ]
    return [
        Metric(gettext("Waiting"), f"{queue.depth:,}", "" if queue.exact else gettext("about"), ", ".join(around)),
        *(pace if paced else ()),
        Metric(gettext("Slots busy"), f"{serving.busy:,}", slots, served, not serving.workers),
    ]


def _parted(text: str) -> tuple[str, str]:
    value, _, unit = text.partition(" ")
    return value, unit


def soon(milliseconds: float) -> str:
    """`less than a minute`, `6 min`, `3 h`, `2 days`: as exact as a forecast may be."""
    minutes = milliseconds / 60_000
    if minutes < 1:
        return gettext("less than a minute")
    if minutes < 90:
        return f"{minutes:.0f} min"
    hours = minutes / 60
    return f"{hours:.0f} h" if hours < 36 else nouns.days(round(hours / 24))


def _empty(flow: Flow) -> str:
    later = flow.queue.delayed
    if not later:
        return gettext("is empty")
    told = ngettext("is empty; %(n)s task waits for its time", "is empty; %(n)s tasks wait for their time", later)
    return told % {"n": f"{later:,}"}


def _drains(flow: Flow) -> str:
    milliseconds = flow.drains_ms or 0
    if milliseconds < 60_000:
        return gettext("will be empty in less than a minute")
    return gettext("will be empty in about %(time)s") % {"time": soon(milliseconds)}


_FORECASTS: dict[Outlook, Callable[[Flow], str]] = {
    Outlook.STALE: lambda flow: gettext("has not been measured lately: no worker of it answers"),
    Outlook.EMPTY: _empty,
    Outlook.PAUSED: lambda flow: gettext("is paused: nothing is taken from it"),
    Outlook.UNSERVED: lambda flow: gettext("is served by no worker that answers"),
    Outlook.FILLS: lambda flow: gettext("fills faster than it drains"),
    Outlook.STANDS: lambda flow: gettext("stands still: nothing of it ended in the last 15 minutes"),
    Outlook.DRAINS: _drains,
    Outlook.KEEPS: lambda flow: gettext("keeps its depth: as much comes in as goes out"),
}

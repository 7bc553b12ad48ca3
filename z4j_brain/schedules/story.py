"""One schedule as its page tells it: its runs, how long they take, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext

from z4j_brain.lib.words import duration, percent
from z4j_brain.operations import queries as operations
from z4j_brain.operations.menu import Entry
from z4j_brain.operations.models import Item
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission
from z4j_brain.schedules import ticks, view
from z4j_brain.schedules.models import Run, Schedule
from z4j_brain.schedules.states import OWN, RunState
from z4j_brain.schedules.verbs import DISABLE, ENABLE, KIND, RUN

#: Runs that the trend of durations takes in, how few are none, and a change that is worth a word.
TREND, FEW, NOTABLE = 90, 6, 0.2
#: How long what somebody asked for is news.
NEWS = timedelta(minutes=15)
#: Verbs with a button of their own, and its key.
_BUTTONS = {RUN: "r", ENABLE: "e", DISABLE: "d"}


@dataclass(frozen=True, slots=True)
class Trend:
    """How long the last runs took. `path`: a line in a box of 600 by 100."""

    path: str
    count: int
    usual: float
    lately: float
    most: float

    @property
    def words(self) -> str:
        change = self.lately / self.usual - 1 if self.usual else 0.0
        told = {"lately": duration(self.lately), "change": percent(abs(change)), "usual": duration(self.usual)}
        if abs(change) < NOTABLE:
            return gettext("%(lately)s lately, about as before.") % told
        if change > 0:
            return gettext("%(lately)s lately, %(change)s longer than the %(usual)s before.") % told
        return gettext("%(lately)s lately, %(change)s shorter than the %(usual)s before.") % told

    @property
    def is_slower(self) -> bool:
        return self.lately > self.usual * (1 + NOTABLE)


def detail(actor: Actor, environment: Environment, pk: int) -> Schedule:
    found = view.schedules(actor, environment).select_related("environment__project", "agent").filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def runs(schedule: Schedule) -> QuerySet[Run]:
    """For whoever sees the schedule."""
    return Run.objects.filter(schedule=schedule).select_related("operation")


def lately(schedule: Schedule) -> list[Item]:
    """What was asked of it last, while that is news."""
    items = operations.touching(schedule.environment, KIND, [str(schedule.pk)])[:1]
    since = timezone.now() - NEWS
    return [one for one in items if one.outcome is None or one.operation.created_at >= since]


def trend(schedule: Schedule) -> Trend | None:
    """None: too few runs are over to say."""
    took = runs(schedule).exclude(runtime_ms=None).order_by("-moment").values_list("runtime_ms", flat=True)[:TREND]
    times = [time for time in took if time is not None][::-1]
    if len(times) < FEW:
        return None
    half = len(times) // 2
    return Trend(_line(times), len(times), median(times[:half]), median(times[half:]), max(times))


def _line(times: Sequence[float]) -> str:
    step, most = 600 / max(len(times) - 1, 1), max(times) or 1
    return "M" + "L".join(f"{at * step:.1f} {97 - time / most * 92:.1f}" for at, time in enumerate(times))


@dataclass(frozen=True, slots=True)
class Line:
    """A run in the table."""

    run: Run

    @property
    def state(self) -> RunState:
        return RunState(self.run.state)

    @property
    def is_late(self) -> bool:
        return ticks.is_late(self.run)


@dataclass(frozen=True, slots=True)
class Act:
    """A verb with a button of its own, and the key that presses it. `reason`: why it cannot be pressed."""

    entry: Entry
    reason: str
    key: str

    @property
    def word(self) -> str:
        return self.entry.verb.word

    @property
    def label(self) -> str:
        return str(self.entry.verb.label)

    @property
    def is_first(self) -> bool:
        return self.entry.verb is ENABLE and not self.reason


def acts(schedule: Schedule, menu: Sequence[Entry]) -> list[Act]:
    """Enable and disable are two buttons: what is so already says so."""
    offered = {entry.verb: entry for entry in menu}
    so = gettext("It is enabled already.") if schedule.enabled else gettext("It is disabled already.")
    already = {ENABLE if schedule.enabled else DISABLE: so}
    return [
        Act(offered[verb], already.get(verb) or offered[verb].reason, key)
        for verb, key in _BUTTONS.items()
        if verb in offered
    ]


def more(menu: Sequence[Entry]) -> list[Entry]:
    """What has no button of its own."""
    return [entry for entry in menu if entry.verb not in _BUTTONS]


def editable(actor: Actor, schedule: Schedule) -> bool:
    """Our own are changed on a page, those of others by asking for it."""
    return schedule.source == OWN and rbac.may(actor, Permission.EDIT_SCHEDULES, schedule)

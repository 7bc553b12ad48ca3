"""What the page of schedules lists: which of them, and each as a row."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.db import models
from django.db.models import CharField, Count, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy, pgettext_lazy

from z4j_brain.lib.capped import CAP
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.schedules import spoken
from z4j_brain.schedules.models import SILENT_AFTER, Run, Schedule, Scheduler
from z4j_brain.schedules.states import OWN, RunState
from z4j_brain.schedules.ticks import Ticks

#: Processes of schedulers that are looked at, and sources and engines that the list can be narrowed to.
SCHEDULERS, CHOICES = 500, 50
#: What somebody should look at: the last run that is over went wrong, or there was none.
WRONG = (RunState.FAILED, RunState.MISSED, RunState.REPORTED, RunState.UNKNOWN)


class Standing(models.TextChoices):
    """What stands at a schedule. The value is a word of the address; `trouble` is a way to look, not a state."""

    TROUBLE = "trouble", gettext_lazy("In trouble")
    ACTIVE = "active", gettext_lazy("Enabled")
    DISABLED = "disabled", gettext_lazy("Disabled")
    SILENT = "silent", gettext_lazy("Scheduler silent")
    GONE = "gone", pgettext_lazy("schedule", "Gone")

    @property
    def icon(self) -> str:
        return _LOOKS[self][0]

    @property
    def hue(self) -> str:
        return _LOOKS[self][1]


_LOOKS = {
    Standing.TROUBLE: ("triangle-alert", "failed"),
    Standing.ACTIVE: ("circle-check", "succeeded"),
    Standing.DISABLED: ("circle-pause", "cancelled"),
    Standing.SILENT: ("circle-question-mark", "lost"),
    Standing.GONE: ("circle-minus", "skipped"),
}


@dataclass(frozen=True, slots=True)
class View:
    """What the address says: which schedules are wanted."""

    text: str = ""
    source: str = ""
    engine: str = ""
    state: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> View:
        told = {name: query.get(name, "").replace("\0", "").strip()[:255] for name in ("source", "engine")}
        state = query.get("state", "")
        text = query.get("q", "").replace("\0", "").strip()[:255]
        return cls(text, state=state if state in Standing else "", **told)

    @property
    def parameters(self) -> dict[str, str]:
        named = {"q": self.text, "source": self.source, "engine": self.engine, "state": self.state}
        return {name: value for name, value in named.items() if value}

    @property
    def address(self) -> str:
        return f"?{urlencode(self.parameters)}"

    @property
    def is_narrow(self) -> bool:
        return bool(self.parameters)

    @property
    def any_state(self) -> str:
        return replace(self, state="").address

    def narrowed(self, here: QuerySet[Schedule], alive: Collection[str]) -> QuerySet[Schedule]:
        return self._standing(self._wide(here), alive)

    def chips(self, here: QuerySet[Schedule], alive: Collection[str]) -> Iterator[tuple[Standing, int, str]]:
        """Each standing that some of these have, with how many, and where those are listed alone."""
        wide = _judged(self._wide(here))
        counts = wide.aggregate(**{one.value: Count("pk", filter=_is(one, alive)) for one in Standing})
        for one in Standing:
            if counts[one.value] or one == self.state:
                yield one, min(counts[one.value], CAP), replace(self, state=one.value).address

    def _wide(self, here: QuerySet[Schedule]) -> QuerySet[Schedule]:
        """In whatever state."""
        if self.source:
            here = here.filter(source=self.source)
        if self.engine:
            here = here.filter(engine=self.engine)
        return here.filter(Q(key__icontains=self.text) | Q(task__icontains=self.text)) if self.text else here

    def _standing(self, here: QuerySet[Schedule], alive: Collection[str]) -> QuerySet[Schedule]:
        return _judged(here).filter(_is(Standing(self.state), alive)) if self.state else here


@dataclass(frozen=True, slots=True)
class Row:
    """A schedule of the list. `silent`: nobody hears its scheduler. `next`: by its own clock."""

    schedule: Schedule
    words: str
    ticks: Ticks
    silent: bool
    next: str

    @classmethod
    def of(cls, schedule: Schedule, marks: Ticks, silent: bool) -> Row:
        upcoming = spoken.clock(schedule, schedule.next_at) if schedule.next_at else ""
        return cls(schedule, spoken.words(schedule), marks, silent, upcoming)

    @property
    def standing(self) -> Standing:
        return standing(self.schedule, self.silent)

    @property
    def is_overdue(self) -> bool:
        """Its next time is over, and it has not run as far as anybody knows."""
        upcoming = self.schedule.next_at
        return upcoming is not None and upcoming < timezone.now() - SILENT_AFTER


def schedules(actor: Actor, environment: Environment) -> QuerySet[Schedule]:
    return rbac.within(Schedule.objects.all(), actor, environment)


def schedulers(environment: Environment, source: str = "") -> list[Scheduler]:
    """The processes in which schedulers run, those that were heard last first."""
    rows = Scheduler.objects.filter(environment=environment)
    rows = rows.filter(source=source) if source else rows
    return list(rows.select_related("agent").order_by("-heard_at")[:SCHEDULERS])


def alive(environment: Environment) -> frozenset[str]:
    """The sources of which a scheduler is alive. Our own always is."""
    return frozenset({OWN, *(one.source for one in schedulers(environment) if one.is_alive)})


def choices(here: QuerySet[Schedule], name: str) -> list[str]:
    """What the list can be narrowed to: the sources, or the engines."""
    found = here.exclude(**{name: ""}).order_by(name).values_list(name, flat=True).distinct()
    return list(found[:CHOICES])


def is_silent(schedule: Schedule, alive: Collection[str]) -> bool:
    return schedule.source not in alive


def standing(schedule: Schedule, silent: bool) -> Standing:
    """Gone before disabled before silent: what explains most."""
    if schedule.gone_at is not None:
        return Standing.GONE
    if not schedule.enabled:
        return Standing.DISABLED
    return Standing.SILENT if silent else Standing.ACTIVE


def troubled(actor: Actor, environment: Environment, most: int) -> list[Schedule]:
    """Enabled schedules whose last run went wrong, is not known, or began before the one before it had finished, the
    latest first; `last_state`, `last_overlapped` and `last_moment` say of it.
    """
    here = _judged(schedules(actor, environment)).filter(_is(Standing.TROUBLE, ()))
    return list(here.order_by("-last_moment")[:most])


def silent(actor: Actor, environment: Environment) -> list[str]:
    """The sources with enabled schedules here, of which no scheduler is alive any more."""
    heard = schedulers(environment)
    dead = {one.source for one in heard} - {one.source for one in heard if one.is_alive}
    if not dead:
        return []
    here = schedules(actor, environment).filter(source__in=dead, enabled=True, gone_at=None)
    return choices(here, "source")


def _judged(here: QuerySet[Schedule]) -> QuerySet[Any]:
    """With what became of its last run that is over, and when that was due."""
    over = Run.objects.filter(schedule=OuterRef("pk")).exclude(state=RunState.PENDING).order_by("-moment", "-pk")
    return here.annotate(
        last_state=Coalesce(Subquery(over.values("state")[:1]), Value(""), output_field=CharField()),
        last_overlapped=Coalesce(Subquery(over.values("overlapped")[:1]), Value(False)),
        last_moment=Subquery(over.values("moment")[:1]),
    )


def _is(one: Standing, alive: Collection[str]) -> Q:
    there = Q(gone_at=None)
    match one:
        case Standing.GONE:
            return ~there
        case Standing.DISABLED:
            return there & Q(enabled=False)
        case Standing.ACTIVE:
            return there & Q(enabled=True)
        case Standing.SILENT:
            return there & Q(enabled=True) & ~Q(source__in=list(alive))
        case Standing.TROUBLE:
            return there & Q(enabled=True) & (Q(last_state__in=WRONG) | Q(last_overlapped=True))


def counted(here: QuerySet[Schedule]) -> dict[str, int]:
    """How many are enabled, and disabled."""
    there = here.filter(gone_at=None)
    return there.aggregate(active=Count("pk", filter=Q(enabled=True)), disabled=Count("pk", filter=Q(enabled=False)))

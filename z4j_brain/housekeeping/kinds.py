"""What time runs out on, kind by kind: where it is found without an index of its own, and what goes with it.

Ids grow as rows arrive. So the oldest rows have the smallest ids, and a walk along the primary key may end where some
thousand rows on end are all young enough. What came out of turn is found on a later day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.db import connection
from django.db.models import Min, Model, Q, QuerySet

from z4j_brain.agents.models import Quarantined
from z4j_brain.housekeeping.blocks import EventBlocks
from z4j_brain.lib import bulk
from z4j_brain.operations.models import Command, IdempotencyKey, Item, LateResult, Operation
from z4j_brain.operations.states import TERMINAL
from z4j_brain.rbac import retention
from z4j_brain.rbac.retention import Piece
from z4j_brain.schedules.models import Run
from z4j_brain.stats.models import ByName, ByQueue
from z4j_brain.tasks import textindex
from z4j_brain.tasks.models import Event, Sealed, Task

Keys = Sequence[Any]


class Rows:
    """Rows of one model. `since` is the column that says when a row came to be: nothing is due that is younger."""

    name: ClassVar[str]
    title: ClassVar[str]
    days: ClassVar[str]
    model: ClassVar[type[Model]]
    since: ClassVar[str]
    environment: ClassVar[str] = "environment_id"

    def pieces(self, environment_id: int, before: datetime | None, after: str, size: int) -> Iterator[Piece]:
        every = self.model._base_manager.order_by("pk")
        while True:
            rest = every.filter(pk__gt=after) if after else every
            edge, is_full = _edge(rest, size)
            if edge is None:
                return
            rows = rest.filter(pk__lte=edge)
            if before and not rows.filter(self.older(before)).exists():
                return
            yield Part(self, rows, rows.filter(**{self.environment: environment_id}), before, after, str(edge), is_full)
            after = str(edge)

    def older(self, before: datetime) -> Q:
        return Q(**{f"{self.since}__lt": self.stored(before)})

    def due(self, part: Part, before: datetime) -> Q:
        return self.older(before)

    def stored(self, moment: datetime) -> Any:
        return moment

    def moment(self, value: Any) -> datetime:
        told: datetime = value
        return told

    def forget(self, keys: Keys) -> int:
        """Delete these rows; how many there still were."""
        return _delete(self.model, pk__in=keys)


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the primary key; `rows` are the environment's own in it. Only the last one is not full."""

    kind: Rows
    every: QuerySet[Any]
    rows: QuerySet[Any]
    before: datetime | None
    start: str
    mark: str
    is_full: bool

    def count(self) -> int:
        return self._due().count()

    def oldest(self) -> datetime | None:
        value = self.rows.order_by().aggregate(value=Min(self.kind.since))["value"]
        return None if value is None else self.kind.moment(value)

    def remove(self) -> int:
        due = self._due()
        if connection.features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True, of=("self",))
        keys = list(due.values_list("pk", flat=True))
        return self.kind.forget(keys) if keys else 0

    def is_clean(self) -> bool:
        """Where something young is, a row may still be on its way whose id was taken before."""
        if self.before is None or not self.is_full or self.rows.exists():
            return False
        return not self.every.exclude(self.kind.older(self.before)).exists()

    def _due(self) -> QuerySet[Any]:
        return self.rows.filter(self.kind.due(self, self.before)) if self.before else self.rows


class Events(Rows):
    name, title, days = "events", "Events of tasks", "events_days"
    model, since = Event, "received_at"


class Tasks(Rows):
    """A task goes when it was silent for so long: by the agents' clocks, and by ours as far as its events still tell.

    Not while it waits for a time that is still to come.
    """

    name, title, days = "tasks", "Tasks", "tasks_days"
    model, since = Task, "first_at"

    def due(self, part: Part, before: datetime) -> Q:
        heard = Event.objects.filter(task__gt=part.start or 0, task__lte=part.mark, received_at__gte=before)
        silent = Q(last_at__lt=before) & ~Q(pk__in=heard.values("task"))
        return silent & (Q(eta=None) | Q(eta__lt=before))

    def forget(self, keys: Keys) -> int:
        """With their events, their sealed originals, and the words that a search finds them by."""
        _delete(Event, task_id__in=keys)
        _delete(Sealed, task_id__in=keys)
        textindex.forget(Task.objects.values_list("environment_id", flat=True).get(pk=keys[0]), keys)
        return super().forget(keys)


class Runs(Rows):
    """What became of due times, as long as of tasks."""

    name, title, days = "runs", "Runs of schedules", "tasks_days"
    model, since = Run, "moment"


class Quarantine(Rows):
    name, title, days = "quarantined", "Events that were set aside", "events_days"
    model, since, environment = Quarantined, "received_at", "agent__environment_id"


class Operations(Rows):
    """What was asked for and has ended. The audit log keeps its entries for ever."""

    name, title, days = "operations", "Operations", "operations_days"
    model, since = Operation, "created_at"

    def due(self, part: Part, before: datetime) -> Q:
        return super().due(part, before) & Q(state__in=TERMINAL)

    def forget(self, keys: Keys) -> int:
        Run.objects.filter(operation__in=keys).update(operation=None)
        _delete(LateResult, command_id__in=Command.objects.filter(operation__in=keys).values("pk"))
        for model in (IdempotencyKey, Item, Command):
            _delete(model, operation_id__in=keys)
        return super().forget(keys)


class _Rollups(Rows):
    days, since = "rollups_days", "start"

    def stored(self, moment: datetime) -> int:
        return int(moment.timestamp())

    def moment(self, value: int) -> datetime:
        return datetime.fromtimestamp(value, UTC)


class OfQueues(_Rollups):
    name, title, model = "rollups_by_queue", "Statistics by queue", ByQueue


class OfNames(_Rollups):
    name, title, model = "rollups_by_name", "Statistics by task name", ByName


def register() -> None:
    """Events before tasks: a task takes along those that are left of it."""
    events = EventBlocks() if bulk.on_postgres() else Events()
    for kind in (events, Tasks(), Runs(), Quarantine(), OfQueues(), OfNames(), Operations()):
        retention.register(kind)


def _edge(rows: QuerySet[Any], size: int) -> tuple[Any, bool]:
    """The key of the row at `size`, or of the last one, None where there is none; and whether there were so many."""
    keys = rows.values_list("pk", flat=True)
    found = list(keys[size - 1 : size])
    return (found[0], True) if found else (keys.last(), False)


def _delete(model: type[Model], **which: Any) -> int:
    """One statement: what goes along is named by whoever calls, and nothing is fetched first."""
    rows = model._base_manager.filter(**which)
    return rows._raw_delete(rows.db) or 0

"""Fires z4j's own schedules of one environment: those that are due are claimed, and their tasks asked for, at once.

One transaction holds all of it: the next due time of each, a run for each due time, one operation whose commands carry
those that are fired, and the entry that commits to them. Whoever is killed in it has done nothing, and the next one
does it; of two who come at once, each gets schedules that the other has not. So no due time is lost and none is fired
twice.

A command is valid for the grace of its schedule: what no agent has come for by then is reported on its run, not lost.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from z4j_core.adapter import Target

from z4j_brain.ledger.states import Outcome, Phase
from z4j_brain.lib import bulk, nudge
from z4j_brain.operations import outcomes, statements
from z4j_brain.operations.models import Command, Item, Operation
from z4j_brain.operations.states import ItemOutcome, ItemProgress, OperationState
from z4j_brain.operations.targets import Candidate
from z4j_brain.rbac import freezes
from z4j_brain.rbac.actor import SYSTEM
from z4j_brain.rbac.models import Environment
from z4j_brain.schedules import firing, wishes
from z4j_brain.schedules.carriers import Carriers, Load
from z4j_brain.schedules.firing import Firing
from z4j_brain.schedules.models import Run, Schedule
from z4j_brain.schedules.states import OWN, RunState

ACTION = "schedule.fire"
#: What its targets are: runs, by their numbers.
KIND = "firing"
#: Schedules that one transaction takes on.
ROUND = 500
#: A run that has not finished for so long is not waited for any longer.
ENDLESS = timedelta(days=1)
#: Why a one-shot is disabled when it has been due.
OVER = "It was to run once, and its time has come."
#: An agent took it, and nobody knows whether it was sent.
_DOUBTED = frozenset({ItemOutcome.UNKNOWN, ItemOutcome.EXPIRED, ItemOutcome.SET_ASIDE})
#: Runs that an entry names one by one.
_NAMED = 1_000
_RUN = (
    *("id", "environment", "schedule", "moment", "due_at", "due_told", "fired_at", "task_id", "engine", "asked"),
    *("state", "why", "times", "until_at", "late_ms", "overlapped", "operation"),
)
_SCHEDULE = ("id", "next_at", "last_at", "enabled", "version", "disabled_at", "disabled_by", "disabled_reason")
_WAITING = ItemProgress.WAITING.value
_ITEM = ("id", "operation", "command", "target_id", "part", "label", "progress", "left_out", "detail", "new_task_id")


@dataclass(frozen=True, slots=True)
class _Due:
    """A due time of a schedule. Where it is fired: what carries it out, and the task that will be."""

    run_id: int
    schedule: Schedule
    firing: Firing
    command: Command | None = None
    item_id: int = 0

    @property
    def task_id(self) -> str:
        return Target(command=str(self.command.pk), item=self.item_id).new_task_id() if self.command else ""


def due(now: datetime) -> QuerySet[Schedule]:
    """Those that have a due time which nobody has fired."""
    return Schedule.objects.filter(source=OWN, enabled=True, gone_at=None, next_at__lte=now)


def fire(environment: Environment, now: datetime | None = None) -> int:
    """Fire what is due here; how many schedules that were."""
    with transaction.atomic():
        now = now or timezone.now()
        claimed = _claimed(environment, now)
        if not claimed:
            return 0
        freeze = freezes.over(environment, "schedule.run", len(claimed))
        frozen = freezes.refusal(freeze).reason if freeze else ""
        busy = _busy(claimed, now)
        turns = {one.pk: firing.turn(one, now, frozen=frozen, busy=one.pk in busy) for one in claimed}
        dues = [(one, due) for one in claimed for due in turns[one.pk].firings]
        _move_on(claimed, {pk: turn.next_at for pk, turn in turns.items()}, now)
        _send(environment, _new(dues), busy, now)
        nudge.on_commit(environment.pk, "schedule", [str(one.pk) for one in claimed])
        return len(claimed)


def _claimed(environment: Environment, now: datetime) -> list[Schedule]:
    """Locked; what somebody else is at is left to them."""
    skips = connection.features.has_select_for_update_skip_locked
    rows = due(now).filter(environment=environment).order_by("next_at")
    return list(rows.select_for_update(skip_locked=skips, of=("self",))[:ROUND])


def _busy(claimed: Sequence[Schedule], now: datetime) -> set[int]:
    """Those of which a run has not finished."""
    going = Run.objects.filter(schedule__in=[one.pk for one in claimed], state=RunState.PENDING)
    return set(going.filter(moment__gte=now - ENDLESS).order_by().values_list("schedule", flat=True).distinct())


def _new(dues: Sequence[tuple[Schedule, Firing]]) -> list[_Due]:
    """Each with the number of its run. Of what has one already, nothing is done: it was fired, or told of."""
    schedules = {schedule.pk for schedule, _ in dues}
    told = Run.objects.filter(schedule__in=schedules, asked=False, due_at__in={one.due for _, one in dues})
    known = set(told.values_list("schedule", "due_at"))
    fresh = [(schedule, one) for schedule, one in dues if (schedule.pk, one.due) not in known]
    ids = bulk.reserve(Run, len(fresh)) if fresh else []
    return [_Due(pk, schedule, one) for pk, (schedule, one) in zip(ids, fresh, strict=True)]


def _move_on(claimed: Sequence[Schedule], next_at: Mapping[int, datetime | None], now: datetime) -> None:
    rows = []
    for one in claimed:
        then = next_at[one.pk]
        over = then is None
        ending = (_stored(now), SYSTEM.name, OVER) if over else (None, None, None)
        rows.append((one.pk, _stored(then), _stored(now), not over, one.version + over, *ending))
    bulk.update(Schedule, _SCHEDULE, rows)


def _send(environment: Environment, dues: list[_Due], busy: set[int], now: datetime) -> None:
    going = [one for one in dues if not one.firing.why]
    operation = _operation(environment, going, now) if going else None
    if operation is not None:
        going = _commanded(operation, going, now)
    skipped = [one for one in dues if one.firing.why]
    pk = bulk.stored_uuid(operation.pk) if operation else None
    bulk.append(Run, _RUN, [_run(one, pk, busy, now) for one in [*skipped, *going]])


def _operation(environment: Environment, going: Sequence[_Due], now: datetime) -> Operation:
    shares = Counter(one.schedule.task for one in going).most_common(10)
    waits = max(firing.grace(one.schedule) for one in going)
    return Operation(
        environment=environment,
        action=ACTION,
        target_kind=KIND,
        plan={"matching": len(going), "able": len(going), "excluded": [], "by": {"name": dict(shares)}},
        actor_type=SYSTEM.type,
        actor_id=SYSTEM.id,
        actor_name=SYSTEM.name,
        total=len(going),
        created_at=now,
        expires_at=now + waits,
    )


def _commanded(operation: Operation, going: Sequence[_Due], now: datetime) -> list[_Due]:
    """Each with its command and the item that will tell what became of it, written down and sealed."""
    record, ids = statements.Own(), bulk.reserve(Item, len(going))
    carried = list(_carried(operation, [replace(one, item_id=pk) for pk, one in zip(ids, going, strict=True)], now))
    given = [one for _, dues in carried for one in dues]
    operation.entry_id = record.entry_id
    operation.save(force_insert=True)
    pairs = [(command, [_candidate(one) for one in dues]) for command, dues in carried]
    statements.seal(operation, pairs, record)
    Command.objects.bulk_create([command for command, _ in pairs], batch_size=ROUND)
    pk = bulk.stored_uuid(operation.pk)
    bulk.append(Item, _ITEM, [_item(one, pk) for one in given])
    runs = [str(one.run_id) for one in given]
    told = {"operation": str(operation.pk), "total": len(runs)} | ({"targets": runs} if len(runs) <= _NAMED else {})
    outcomes.record(
        Phase.REQUEST, operation, Outcome.ALLOWED, SYSTEM, told, "due", entry_id=record.entry_id, facts=record.said
    )
    nudge.on_commit(operation.environment_id, "operation", [str(operation.pk)])
    return given


def _carried(operation: Operation, going: Sequence[_Due], now: datetime) -> Iterator[tuple[Command, list[_Due]]]:
    """What is due, with the commands that carry it: many with one, if an agent will wait for them as long."""
    carriers = Carriers(operation.environment, {one.schedule.engine for one in going})
    by_grace: dict[timedelta, list[_Due]] = defaultdict(list)
    for one in going:
        by_grace[firing.grace(one.schedule)].append(one)
    for grace, dues in by_grace.items():
        known = {one.item_id: one for one in dues}
        wanted = ((one.item_id, one.schedule.engine, one.schedule.task, wishes.run(one.schedule)) for one in dues)
        for load in carriers.loads(wanted):
            command = _command(operation, load, now, now + grace)
            yield command, [replace(known[item], command=command) for item in load.items]


def _command(operation: Operation, load: Load, now: datetime, expires_at: datetime) -> Command:
    return Command(
        operation=operation,
        environment_id=operation.environment_id,
        engine=load.engine,
        verb=load.verb,
        params=load.params,
        audience_id=load.audience,
        created_at=now,
        expires_at=expires_at,
    )


def _candidate(one: _Due) -> Candidate:
    return Candidate(str(one.run_id), one.schedule.key, one.schedule.engine, identity=identity(one.schedule))


def identity(schedule: Schedule) -> tuple[str, str, str, str]:
    """What agents know it by: no task yet, a name, and the queue that it says, if it does."""
    return "", schedule.task, schedule.queue, ""


def _item(one: _Due, operation: str) -> tuple[Any, ...]:
    command = bulk.stored_uuid(one.command.pk) if one.command else None
    return one.item_id, operation, command, str(one.run_id), "", one.schedule.key[:512], _WAITING, "", "", ""


def _run(one: _Due, operation: str | None, busy: set[int], now: datetime) -> tuple[Any, ...]:
    schedule, told = one.schedule, one.firing
    place = (one.run_id, schedule.environment_id, schedule.pk, _stored(told.due), _stored(told.due), True)
    skipped = (told.why[:200], told.times, _stored(told.until))
    if told.why:
        return (*place, None, "", schedule.engine, False, RunState.SKIPPED.value, *skipped, None, False, None)
    late = max((now - told.due).total_seconds() * 1000, 0.0)
    sent = (_stored(now), one.task_id, schedule.engine, False, RunState.PENDING.value)
    return (*place, *sent, *skipped, late, schedule.pk in busy, operation)


def _stored(moment: datetime | None) -> str | None:
    return outcomes.stored(moment)


def report() -> None:
    """Say on each run that was not sent why: nobody will ever hear of its task, as far as anybody knows."""
    ended_badly = Q(operation__failed__gt=0) | Q(operation__state=OperationState.CANCELLED)
    doubtful = Run.objects.filter(ended_badly, state=RunState.PENDING, operation__action=ACTION)
    for operation in list(doubtful.order_by().values_list("operation", flat=True).distinct()[:ROUND]):
        runs = {str(pk) for pk in doubtful.filter(operation=operation).values_list("pk", flat=True)}
        ended = Item.objects.filter(operation=operation, target_id__in=runs).exclude(outcome=None)
        for item in ended.exclude(outcome=ItemOutcome.DONE):
            state = RunState.UNKNOWN if item.outcome in _DOUBTED else RunState.REPORTED
            why = (item.detail or ItemOutcome(str(item.outcome)).label)[:200]
            # By its own columns: what is judged by others is not judged again when somebody else has just changed it.
            Run.objects.filter(pk=item.target_id, state=RunState.PENDING).update(state=state, why=why)

"""What people ask for schedules. Those of schedulers their agents change; our own are changed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import override

from z4j_brain.agents import handover
from z4j_brain.lib import nudge, timing
from z4j_brain.lib.ids import numbers
from z4j_brain.operations import approving, launch, outcomes
from z4j_brain.operations.idempotency import Claim
from z4j_brain.operations.models import Item, Operation
from z4j_brain.operations.states import ItemOutcome
from z4j_brain.rbac.action import Record, action
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission
from z4j_brain.schedules import due, judged, options, told, verbs
from z4j_brain.schedules.book import Book
from z4j_brain.schedules.models import Run, Schedule
from z4j_brain.schedules.states import OWN, Definition
from z4j_brain.schedules.verbs import KIND

Ids = Sequence[int | str]
Given = Mapping[str, Any] | None


@action(Permission.EDIT_SCHEDULES, "schedule.edit")
def edit(
    environment: Environment,
    ids: Ids,
    options: Given = None,
    given: Given = None,
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Have these changed in their schedulers. With the version that somebody has seen, only while it is that one."""
    rows = Schedule.objects.select_for_update().filter(environment=environment, pk__in=numbers(map(str, ids)))
    seen = (options or {}).get("version")
    for row in rows.order_by("pk"):
        if seen is not None and row.version != seen:
            raise judged.stale(row)
        if seen is not None:  # whoever comes second with the same one has not seen this wish
            row.version += 1
            row.save(update_fields=["version"])
    return launch.start(verbs.EDIT, environment, ids, options, given, actor, reason, record, claim)


#: These do nothing more than ask, and what needs no agent.
enable = launch.asking(verbs.ENABLE)
disable = launch.asking(verbs.DISABLE)
run = launch.asking(verbs.RUN)
delete = launch.asking(verbs.DELETE)
create = launch.asking(verbs.CREATE)


def _within(operation: Operation) -> None:
    """What is ours to change, or left over of what is gone."""
    items = list(operation.items.filter(command=None, outcome=None, left_out="").order_by("id"))
    if not items:
        return
    rows = _rows(operation, items)
    for item in items:
        row = rows.get(item.target_id)
        if row is None:
            outcomes.end(item, ItemOutcome.NOT_FOUND, "It was no longer here when its turn came.")
            continue
        _change(operation, row)
        outcomes.end(item, ItemOutcome.DONE)
    outcomes.finish(items)


def _change(operation: Operation, row: Schedule) -> None:
    match operation.action:
        case verbs.ENABLE.name:
            _enabled(row)
        case verbs.DISABLE.name:
            _disabled(row, operation)
        case verbs.DELETE.name:
            nudge.on_commit(row.environment_id, KIND, [str(row.pk)])
            row.delete()


def _follow(operation: Operation, items: Sequence[Item]) -> None:
    """An agent has done it: the row says so at once. What the agent tells next counts more."""
    for row in _rows(operation, items).values():
        match operation.action:
            case verbs.ENABLE.name:
                _enabled(row)
            case verbs.DISABLE.name:
                _disabled(row, operation)
            case verbs.EDIT.name:
                _edited(row, operation)
            case verbs.DELETE.name:
                told.gone(row, timezone.now())
                _write(row)


def _enabled(row: Schedule) -> None:
    now = timezone.now()
    row.enabled, row.counts_from = True, row.counts_from if row.enabled else now
    row.disabled_at = row.disabled_by = row.disabled_reason = row.disabled_until = None
    if row.source == OWN:
        row.next_at = _ahead(row, now)
    else:
        row.next_at, row.check_at = due.next_after(row, now) or row.next_at, now
    row.version += 1
    _write(row)


def _ahead(row: Schedule, now: datetime) -> datetime | None:
    """An interval of our own counts from when it was said."""
    plan = due.plan(row)
    return timing.next_after(plan, now) if plan else None


def _disabled(row: Schedule, operation: Operation) -> None:
    until = operation.options.get("until")
    row.enabled, row.next_at, row.check_at = False, None, None
    row.disabled_at, row.disabled_by, row.disabled_reason = timezone.now(), operation.actor_name, operation.reason
    row.disabled_until = datetime.fromisoformat(until) if until else None
    row.version += 1
    _write(row)


def _edited(row: Schedule, operation: Operation) -> None:
    now, asked = timezone.now(), operation.options
    plan = options.planned(asked, row.zone)
    if plan is not None:
        row.plan, row.cron, row.every_us, row.at, row.zone = plan.kind, plan.cron, plan.every, plan.at, plan.zone
        row.text = _text(plan)
    elif asked.get("zone"):
        row.zone = asked["zone"]
    row.queue = asked.get("queue") or row.queue
    row.plan_from = row.counts_from = now
    if row.enabled:
        row.next_at, row.check_at = due.next_after(row, now) or row.next_at, now
    row.version += 1
    _write(row)


def _text(plan: timing.Plan) -> str:
    """As it is stored, whoever asked for it."""
    with override("en"):
        return (plan.cron or timing.words(plan))[:255]


def _made(operation: Operation, items: Sequence[Item]) -> None:
    """It is listed at once, with who made it; its agent will say the rest."""
    asked, now = operation.options, timezone.now()
    plan = options.planned(asked)
    for item in items:
        source, _, key = item.target_id.partition("/")
        facts = {"task": asked.get("task", ""), "queue": asked.get("queue", ""), "definition": Definition.STORE}
        if plan is not None:
            facts |= {"plan": plan.kind, "cron": plan.cron, "every_us": plan.every, "at": plan.at, "zone": plan.zone}
            facts |= {"text": _text(plan), "next_at": timing.next_after(plan, now)}
        by = {"created_by": operation.actor_name, "gone_at": None}
        here = {"environment": operation.environment, "source": source, "key": key}
        row, is_new = Schedule.objects.get_or_create(**here, defaults=facts | by)
        if not is_new:  # its agent was quicker, or there was one of this key before
            Schedule.objects.filter(pk=row.pk).update(**by)
        nudge.on_commit(row.environment_id, KIND, [str(row.pk)])


def _sent(operation: Operation, items: Sequence[Item]) -> None:
    """The task that was sent out of turn is a run, and says who asked for it."""
    place, made = operation.environment_id, {item.target_id: item.new_task_id for item in items if item.new_task_id}
    known = Schedule.objects.filter(environment=place, pk__in=numbers(made))
    engines = dict(known.values_list("pk", "engine"))
    # Tasks before schedules: the order in which ingest takes them.
    stand = handover.look(place, [(engine, made[str(pk)]) for pk, engine in engines.items()])
    rows, now = _rows(operation, items), timezone.now()
    book = Book(place, [row.pk for row in rows.values()], list(made.values()), [])
    for row in rows.values():
        if row.pk in engines:
            book.fired(row, now, made[str(row.pk)], {"engine": row.engine, "asked": True})
    book.follow(stand)
    book.write()
    Run.objects.filter(schedule__in=list(engines), task_id__in=made.values()).update(operation=operation)
    nudge.on_commit(place, KIND, [str(pk) for pk in engines])


def _rows(operation: Operation, items: Sequence[Item]) -> dict[str, Schedule]:
    """The schedules of these targets, locked."""
    rows = Schedule.objects.select_for_update().filter(environment=operation.environment_id)
    found = rows.filter(pk__in=numbers(item.target_id for item in items)).order_by("pk")
    return {str(row.pk): row for row in found}


def _write(row: Schedule) -> None:
    row.save()
    nudge.on_commit(row.environment_id, KIND, [str(row.pk)])


for _verb in (verbs.ENABLE, verbs.DISABLE, verbs.DELETE):
    approving.on_release(_verb.name, _within)
for _verb in (verbs.ENABLE, verbs.DISABLE, verbs.EDIT, verbs.DELETE):
    outcomes.on_done(_verb.name, _follow)
outcomes.on_done(verbs.RUN.name, _sent)
outcomes.on_done(verbs.CREATE.name, _made)

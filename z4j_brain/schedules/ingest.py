"""What agents tell of schedulers and their schedules, and how the tasks go that these have sent.

Events come in any order and more than once; the rows are the same. Whatever is told in the name of z4j's own schedules
is ignored: nobody but us has them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from z4j_core.wire import Kind

from z4j_brain.agents import handover
from z4j_brain.agents.handover import Sent, Told
from z4j_brain.agents.models import Agent
from z4j_brain.agents.states import Presence
from z4j_brain.lib import nudge
from z4j_brain.schedules import due, overlaps, ticking, told
from z4j_brain.schedules.book import Book
from z4j_brain.schedules.models import Run, Schedule, Scheduler
from z4j_brain.schedules.states import OWN

#: Schedules of one environment; what comes after that is not kept.
MOST = 10_000
#: A listing of so many may have left some out.
MOST_LISTED = 5_000
#: A schedule that is gone for so long is forgotten, with its runs.
GONE_KEPT = timedelta(days=30)
#: Schedules that one run of `prune` takes.
PRUNED = 200
_MAKES = frozenset({Kind.SCHEDULE_TOLD, Kind.SCHEDULE_FIRED, Kind.SCHEDULE_SKIPPED})
_FIELDS = [
    *("task", "engine", "queue", "args", "kwargs", "plan", "text", "cron", "every_us", "at", "zone", "enabled"),
    *("definition", "code", "cannot", "agent", "told_at", "gone_at", "next_at", "last_at", "version"),
    *("disabled_at", "disabled_by", "disabled_reason", "disabled_until", "plan_from", "counts_from", "check_at"),
]

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Said:
    """One event, and who said it."""

    agent: Agent
    event: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.event["kind"])

    @property
    def key(self) -> Key:
        return self.event["engine"], self.event.get("schedule") or ""

    @property
    def data(self) -> dict[str, Any]:
        return self.event.get("data") or {}


def take(environment_id: int, events: Told, sent: Sequence[Sent]) -> None:
    """Bring schedulers, schedules and runs up to date. Within the caller's transaction."""
    said = list(_in_order(events))
    ticks = [(one.agent, one.event) for one in said if one.kind == Kind.SCHEDULER_HEARTBEAT]
    if ticks:
        ticking.take(environment_id, ticks)
    said = [one for one in said if one.kind != Kind.SCHEDULER_HEARTBEAT]
    followed = _followed(environment_id, sent)
    if not said and not followed:
        return
    schedules = _locked(environment_id, said, followed)
    changed = _apply(environment_id, said, schedules, sent)
    if changed:
        Schedule.objects.bulk_update(sorted(changed.values(), key=lambda schedule: schedule.pk), _FIELDS)
    touched = followed | set(changed)
    nudge.on_commit(environment_id, "schedule", [str(pk) for pk in sorted(touched)])


def prune(now: datetime | None = None) -> None:
    """Forget schedules that are long gone, and processes in which no scheduler has run for as long."""
    old = (now or timezone.now()) - GONE_KEPT
    gone = Schedule.objects.filter(gone_at__lt=old).exclude(source=OWN).values_list("pk", flat=True)[:PRUNED]
    for pk in list(gone):
        with transaction.atomic():
            Run.objects.filter(schedule=pk)._raw_delete(Run.objects.db)
            Schedule.objects.filter(pk=pk, gone_at__lt=old).delete()
    silent = Scheduler.objects.filter(heard_at__lt=old).values_list("pk", flat=True)[:PRUNED]
    Scheduler.objects.filter(pk__in=list(silent)).delete()


def _in_order(events: Told) -> Iterator[Said]:
    """What is said in nobody's name but a scheduler's own, by the clocks of those who said it."""
    said = [(parsed, agent) for agent, parts in events for parsed in parts if parsed.event["engine"] != OWN]
    said.sort(key=lambda one: (one[0].event["ts"], str(one[1].boot), one[0].seq))
    return (Said(agent, parsed.event) for parsed, agent in said)


def _followed(environment_id: int, sent: Sequence[Sent]) -> set[int]:
    """The schedules that have runs of these tasks."""
    if not sent:
        return set()
    rows = Run.objects.filter(environment=environment_id, task_id__in={one.task_id for one in sent})
    return set(rows.values_list("schedule", flat=True))


def _locked(environment_id: int, said: Sequence[Said], followed: Collection[int]) -> dict[Key, Schedule]:
    """The schedules that this is about, made where they are new, locked in the order of their ids."""
    here = Schedule.objects.filter(environment=environment_id)
    keys = {one.key for one in said if one.key[1]}
    wanted = Q(pk__in={*followed, *_unlisted(here, said)}) | _named(keys)
    makes = {one.key for one in said if one.kind in _MAKES}
    if makes:
        new = sorted(makes - set(here.filter(_named(makes)).values_list("source", "key")))
        room = max(MOST - here[:MOST].count(), 0) if new else 0
        Schedule.objects.bulk_create(
            [Schedule(environment_id=environment_id, source=source, key=key) for source, key in new[:room]],
            ignore_conflicts=True,
        )
    rows = here.filter(wanted).select_for_update(of=("self",)).order_by("pk")
    return {(row.source, row.key): row for row in rows}


def _named(keys: Collection[Key]) -> Q:
    by_source: dict[str, set[str]] = defaultdict(set)
    for source, key in keys:
        by_source[source].add(key)
    named = Q(pk__in=[])
    for source, some in sorted(by_source.items()):
        named |= Q(source=source, key__in=some)
    return named


def _unlisted(here: QuerySet[Schedule], said: Sequence[Said]) -> Iterator[int]:
    """The schedules that listings leave out, as far as is known before what comes with them is read."""
    for one in said:
        if (began := _listed(one)) is not None:
            rows = here.filter(source=one.key[0], gone_at=None, told_at__lt=began)
            yield from rows.values_list("pk", flat=True)[:MOST_LISTED]


def _listed(one: Said) -> datetime | None:
    """Since when it has told of everything. None: it says no such thing, or its clock is no measure."""
    count, began = told.whole(one.data.get("count"), MOST_LISTED), told.moment(one.data.get("began"))
    if one.kind != Kind.SCHEDULE_LISTED or count is None or count == MOST_LISTED or began is None:
        return None
    return began if began < timezone.now() + told.AHEAD else None


def _apply(
    environment_id: int, said: Sequence[Said], schedules: dict[Key, Schedule], sent: Sequence[Sent]
) -> dict[int, Schedule]:
    """What was told of schedules goes first: only then it is known when each of them is due. Returns what changed."""
    changed: dict[int, Schedule] = {}
    replanned = []
    for one in said:
        schedule = schedules.get(one.key)
        if one.kind == Kind.SCHEDULE_TOLD and schedule is not None:
            replanned += [schedule] if told.tell(schedule, one.agent, one.event) else []
            changed[schedule.pk] = schedule
    for one in said:
        for schedule in _missing(one, schedules):
            changed[schedule.pk] = schedule
    dues = {at for one in said if (at := told.moment(one.data.get("due")))}
    tasks = {one.event["task_id"] for one in said if one.event.get("task_id")} | {one.task_id for one in sent}
    book = Book(environment_id, {schedule.pk for schedule in schedules.values()}, tasks, dues)
    for schedule in replanned:
        book.rematch(schedule)
    return changed | _run(book, said, schedules, sent)


def _missing(one: Said, schedules: Mapping[Key, Schedule]) -> Iterator[Schedule]:
    """The schedules that this says are gone. Only who told of one may say so, or anybody once that one is away."""
    if one.kind == Kind.SCHEDULE_GONE:
        at, some = told.said_at(one.event), [schedules[one.key]] if one.key in schedules else []
    elif (began := _listed(one)) is not None:
        at, some = began, [schedule for (source, _), schedule in schedules.items() if source == one.key[0]]
    else:
        return
    for schedule in some:
        if schedule.told_at is not None and schedule.told_at < at and _may_say(one.agent, schedule.agent):
            told.gone(schedule, at)
            yield schedule


def _may_say(agent: Agent, teller: Agent | None) -> bool:
    return teller is None or teller.pk == agent.pk or teller.state != Presence.ONLINE


def _run(
    book: Book, said: Sequence[Said], schedules: Mapping[Key, Schedule], sent: Sequence[Sent]
) -> dict[int, Schedule]:
    """What was sent and skipped, and how the tasks of it go. Returns the schedules that have fired."""
    fired: dict[int, Schedule] = {}
    new: set[tuple[str, str]] = set()
    for one in said:
        schedule, at = schedules.get(one.key), told.said_at(one.event)
        if schedule is None:
            continue
        if one.kind == Kind.SCHEDULE_FIRED:
            if book.fired(schedule, at, one.event["task_id"], one.data):
                new.add((told.text(one.data.get("engine"), 32), one.event["task_id"]))
            schedule.last_at = max(schedule.last_at or at, at)
            fired[schedule.pk] = schedule
        elif one.kind == Kind.SCHEDULE_SKIPPED and (due_at := told.moment(one.data.get("due"))):
            book.skipped(schedule, due_at, told.why_skipped(one.data.get("why")))
            fired[schedule.pk] = schedule
    for schedule in fired.values():
        schedule.next_at = due.next_after(schedule, timezone.now()) or schedule.next_at
    seen = {(one.engine, one.task_id) for one in sent}
    book.follow([*sent, *handover.look(book.environment_id, new - seen)])
    for pk, runs in book.write().items():
        overlaps.judge(pk, min(run.moment for run in runs), max(run.moment for run in runs))
    return fired

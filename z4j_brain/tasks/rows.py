"""From events to task rows, set-based: the same rows whatever the order of arrival.

A row is always `fold` over all events of its task. What comes in order is folded on; what comes late is noticed by its
order key, and the task is folded anew from every event it has.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from operator import itemgetter
from typing import Any

import orjson
from django.db import connection
from z4j_core import fold as folding
from z4j_core import wire

from z4j_brain.agents import handover
from z4j_brain.agents.models import Agent
from z4j_brain.lib import bulk, nudge
from z4j_brain.lib.batch import ParsedEvent
from z4j_brain.operations import outbox
from z4j_brain.rbac import queries as rbac
from z4j_brain.stats import ingest as stats
from z4j_brain.stats.ingest import Fact
from z4j_brain.tasks import facts, failing, originals, textindex
from z4j_brain.tasks.models import Event, Task
from z4j_brain.tasks.verbs import KIND

_TIMES = frozenset(("eta", "expires", "first_at", "enqueued_at", "received_at", "started_at", "finished_at", "last_at"))
#: What needs another form in its column, after all that does not.
_CONVERTED = tuple(name for name in folding.empty() if name in _TIMES or name == "truncated")
_PLAINS = tuple(name for name in folding.empty() if name not in _CONVERTED)
_PLAIN = itemgetter(*_PLAINS)
_FIRST = itemgetter(0)
FIELDS = _PLAINS + _CONVERTED
#: With what follows from them.
COLUMNS = (*FIELDS, "issue")
_IDENTITY = ("id", "environment", "engine", "task_id")
_EVENT_FIELDS = ("environment", "task", "agent", "seq", "kind", "ts", "data", "received_at")

Identity = tuple[str, str]
Keyed = folding.Keyed


@dataclass(slots=True)
class Change:
    """What a batch did to the tasks it is about: the id of each, what they counted for before and count for now, which
    stand failed no longer or stand so now; by id the rows that are new, and those that have changed in these fields.
    """

    ids: dict[Identity, int] = field(default_factory=dict)
    before: list[Fact] = field(default_factory=list)
    after: list[Fact] = field(default_factory=list)
    gone: list[failing.Gone] = field(default_factory=list)
    come: list[failing.Failure] = field(default_factory=list)
    new: dict[int, folding.Row] = field(default_factory=dict)
    changed: dict[int, tuple[folding.Row, Sequence[str]]] = field(default_factory=dict)


@dataclass(slots=True)
class Known:
    """A task row as it stands in the store."""

    id: int
    row: folding.Row
    cancelling: bool


def store(environment_id: int, told: Sequence[tuple[Agent, list[ParsedEvent]]], scheduled: handover.Told = ()) -> None:
    """Bring the tasks of these events up to date, and keep the events. Within the caller's transaction.

    What the same agents told of schedules is handed on, with the tasks that schedules have sent.
    """
    change = _fold_in(environment_id, grouped((str(agent.boot), events) for agent, events in told))
    _append(environment_id, told, change.ids)
    originals.keep((parsed for _, events in told for parsed in events if parsed.sealed), change.ids)
    textindex.keep(environment_id, change.new, change.changed)
    nudge.on_commit(environment_id, "task", [str(pk) for pk in change.ids.values()])
    handover.hand_on(environment_id, scheduled, list(_sent(change)))
    failing.hand_on(environment_id, change.gone, change.come)
    stats.apply(environment_id, change.before, change.after)  # last: everybody writes the rollups of now


def look(environment_id: int, tasks: Collection[Identity]) -> list[handover.Sent]:
    """How these tasks stand, kept from changing until the transaction ends."""
    return [_standing(identity, found.row) for identity, found in _read(environment_id, list(tasks)).items()]


def _sent(change: Change) -> Iterator[handover.Sent]:
    """Of the tasks that a batch is about, those that a schedule has sent."""
    for identity, pk in change.ids.items():
        row = change.new[pk] if pk in change.new else change.changed[pk][0]
        if row["schedule"]:
            yield _standing(identity, row)


def _standing(identity: Identity, row: folding.Row) -> handover.Sent:
    told = ("state", "started_at", "finished_at", "runtime_ms", "error_type")
    return handover.Sent(*identity, *(row[name] for name in told))


def grouped(told: Iterable[tuple[str, Iterable[ParsedEvent]]]) -> dict[Identity, list[Keyed]]:
    """The events of each task in their order, from those of several boots."""
    groups: dict[Identity, list[Keyed]] = defaultdict(list)
    for boot, events in told:
        for parsed in events:
            event = parsed.event
            if task_id := event.get("task_id"):
                groups[event.get("engine") or "", task_id].append((folding.order_key(event, boot), event))
    for keyed in groups.values():
        if len(keyed) > 1:
            keyed.sort(key=_FIRST)
    return groups


def _fold_in(environment_id: int, groups: dict[Identity, list[Keyed]]) -> Change:
    """Bring the tasks of these events up to date."""
    change = Change()
    if not groups:
        return change
    known = _read(environment_id, list(groups))
    new = {
        identity: failing.mark(folding.fold(None, keyed)) for identity, keyed in groups.items() if identity not in known
    }
    if new:
        change.ids |= (made := _insert(environment_id, new))
        change.new = {pk: new[identity] for identity, pk in made.items()}
        change.after += [fact for identity in made for fact in facts.facts(identity[0], new[identity])]
        failures = (failing.come(pk, identity[0], new[identity]) for identity, pk in made.items())
        change.come += [failure for failure in failures if failure]
        # Another writer on PostgreSQL may have made some of them since we looked: these are read, and folded onto.
        if missed := [identity for identity in new if identity not in made]:
            known |= _read(environment_id, missed)
    if known:
        change.ids |= {identity: found.id for identity, found in known.items()}
        _update(environment_id, known, groups, change)
    return change


def _read(environment_id: int, identities: list[Identity]) -> dict[Identity, Known]:
    """The rows of these tasks, locked in the order of their ids."""
    by_engine: dict[str, list[str]] = defaultdict(list)
    for engine, task_id in identities:
        by_engine[engine].append(task_id)
    columns = ", ".join(("id", "task_id", "cancel_requested_at", *COLUMNS))
    lock = "ORDER BY id FOR UPDATE" if bulk.on_postgres() else ""
    known = {}
    with connection.cursor() as cursor:
        for engine in sorted(by_engine):
            among, values = bulk.among(by_engine[engine])
            cursor.execute(
                f"SELECT {columns} FROM tasks_task WHERE environment_id = %s AND engine = %s "  # noqa: S608
                f"AND task_id {among} {lock}",
                [environment_id, engine, *values],
            )
            for pk, task_id, cancelling, *values in cursor.fetchall():
                known[engine, task_id] = Known(pk, _as_row(values), cancelling is not None)
    return known


def _as_row(values: list[Any]) -> folding.Row:
    row = dict(zip(COLUMNS, values, strict=True))
    for name in _TIMES:
        row[name] = bulk.micros(row[name])
    row["truncated"] = orjson.loads(row["truncated"]) if isinstance(row["truncated"], str) else row["truncated"]
    return row


def _values(row: folding.Row, names: Iterable[str]) -> list[Any]:
    """The fields as their columns take them."""
    return [_STORED[name](row[name]) if name in _STORED and row[name] is not None else row[name] for name in names]


def _json(value: list[Any]) -> Any:
    return value if bulk.on_postgres() else orjson.dumps(value).decode()


#: Of fields that are neither text nor number: how they are stored.
_STORED = dict.fromkeys(_TIMES, bulk.stored_time) | {"truncated": _json}


def _insert(environment_id: int, new: dict[Identity, folding.Row]) -> dict[Identity, int]:
    """Insert these tasks: ids by the order of arrival, inserts by that of names, so that two writers do not tangle."""
    ids = dict(zip(new, bulk.reserve(Task, len(new)), strict=True))
    rows = [
        (ids[identity], environment_id, *identity, *_PLAIN(row), *_values(row, _CONVERTED), row["issue"], "")
        for identity, row in sorted(new.items(), key=itemgetter(0))
    ]
    names = (*_IDENTITY, *COLUMNS, "cancel_requested_by")
    made = bulk.insert(Task, names, rows, unique=("environment", "engine", "task_id"))
    return {identity: pk for identity, pk in ids.items() if pk in made}


def _update(
    environment_id: int, known: dict[Identity, Known], groups: dict[Identity, list[Keyed]], change: Change
) -> None:
    """Fold the events onto rows that exist, and write only those columns that change: an index costs when touched."""
    late = [found for one, found in known.items() if folding.key_text(groups[one][0][0]) < found.row["fold_key"]]
    earlier = _earlier(environment_id, late) if late else {}
    changes: dict[tuple[str, ...], list[tuple[Any, ...]]] = defaultdict(list)
    settled: dict[int, str] = {}
    for identity, found in known.items():
        row = failing.mark(_refold(found, groups[identity], earlier))
        changed = tuple(name for name in COLUMNS if row[name] != found.row[name])
        changes[changed].append((found.id, *_values(row, changed)))
        change.changed[found.id] = row, changed
        before, after = facts.changed(identity[0], found.row, row)
        change.before += before
        change.after += after
        _count_failure(identity[0], found, row, change)
        if found.cancelling and row["state"] in wire.FINAL:
            settled[found.id] = row["state"]
    for changed, rows in changes.items():
        if changed:
            bulk.update(Task, ("id", *changed), rows)
    if settled:
        outbox.confirm(environment_id, KIND, settled)


def _count_failure(engine: str, found: Known, row: folding.Row, change: Change) -> None:
    """By the issue as it is stored: a row that has none was counted for none."""
    before, after = failing.gone(found.row), failing.come(found.id, engine, row)
    if before == (after and (after.issue, after.at)):
        return
    change.gone += [before] if before else []
    change.come += [after] if after else []


def _refold(found: Known, keyed: list[Keyed], earlier: dict[int, list[Keyed] | None]) -> folding.Row:
    if found.id not in earlier:
        return folding.fold(found.row, keyed)
    before = earlier[found.id]
    if before is None:
        return folding.fold(found.row, [one for one in keyed if folding.key_text(one[0]) >= found.row["fold_key"]])
    return folding.fold(None, sorted((*before, *keyed), key=_FIRST))


def _earlier(environment_id: int, late: list[Known]) -> dict[int, list[Keyed] | None]:
    """All events these tasks have, with their order keys; None where some have been pruned.

    Such a task is not made anew out of what is left of it: what comes too late for it is kept, and changes nothing.
    """
    kept_since = (rbac.kept_since(environment_id) - bulk.EPOCH) // timedelta(microseconds=1)
    events: dict[int, list[Keyed]] = {found.id: [] for found in late}
    stored = Event.objects.filter(task_id__in=events).values_list("task_id", "agent__boot", "data")
    for task_id, boot, event in stored.iterator():
        events[task_id].append((folding.order_key(event, str(boot)), event))
    return {
        found.id: events[found.id]
        if (found.row["first_at"] or 0) >= kept_since or _is_whole(found.row, events[found.id])
        else None
        for found in late
    }


def _is_whole(row: folding.Row, events: list[Keyed]) -> bool:
    """Do these events tell all that the row does? An old task may have been told of only just now."""
    folded = folding.fold(None, sorted(events, key=_FIRST)) if events else folding.empty()
    return all(folded[name] == row[name] for name in FIELDS)


def _append(environment_id: int, told: Sequence[tuple[Agent, list[ParsedEvent]]], ids: dict[Identity, int]) -> None:
    now = bulk.stored_time(time.time_ns() // 1000)
    rows = []
    for agent, events in told:
        agent_id = bulk.stored_uuid(agent.pk)
        for parsed in events:
            event = parsed.event
            task = ids.get((event.get("engine") or "", event.get("task_id") or ""))
            rows.append((environment_id, task, agent_id, parsed.seq, event["kind"], event["ts"], parsed.text, now))
    bulk.append(Event, _EVENT_FIELDS, rows)

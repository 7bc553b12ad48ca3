"""From a batch of events to task rows: one transaction, set-based, the same rows whatever the order of arrival.

A row is always `fold` over all events of its task. What comes in order is folded on; what comes late is noticed by its
order key, and the task is folded anew from every event it has.

A batch that breaks the ingest must not stop an agent for ever: when the code raises, or a process has died over it, its
events are taken one by one, and what fails three times by itself is quarantined. A process that dies leaves a Suspect
behind, written before the try; for a batch as a whole only when it comes again, since the first try nearly always
succeeds. A brain that was merely away leaves none. Trouble of the database is raised: it is no event's fault.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, ParamSpec, TypeVar

import orjson
from django.db import InterfaceError, OperationalError, connection, transaction
from z4j_core import fold as folding
from z4j_core import wire

from z4j_brain.agents import ingest as agents
from z4j_brain.agents.models import Agent, AgentKey, Batch, Quarantined, Suspect
from z4j_brain.fleet import ingest as fleet
from z4j_brain.lib import bulk, intervals, nudge
from z4j_brain.lib.batch import ParsedBatch, ParsedEvent, RejectedEvent
from z4j_brain.lib.problem import Problem
from z4j_brain.operations import outbox
from z4j_brain.tasks.models import Event, Task

logger = logging.getLogger(__name__)

#: An agent whose sequence has more holes than this is broken; its events are turned away.
MAX_RANGES = 10_000
DEADLOCK_TRIES = 5
_DEADLOCK = frozenset({"40P01", "40001"})

_TIMES = frozenset(("eta", "expires", "first_at", "enqueued_at", "received_at", "started_at", "finished_at", "last_at"))
#: What needs another form in its column, after all that does not.
_CONVERTED = tuple(name for name in folding.empty() if name in _TIMES or name == "truncated")
_PLAINS = tuple(name for name in folding.empty() if name not in _CONVERTED)
_PLAIN = itemgetter(*_PLAINS)
FIELDS = _PLAINS + _CONVERTED
_IDENTITY = ("id", "environment", "engine", "task_id")
_EVENT_FIELDS = ("environment", "task", "agent", "seq", "kind", "ts", "data", "received_at")

Given = ParamSpec("Given")
Result = TypeVar("Result")
Identity = tuple[str, str]
Keyed = tuple[folding.Key, Mapping[str, Any]]


@dataclass(slots=True)
class Tally:
    """What became of each event of a batch."""

    accepted: int = 0
    duplicates: list[int] = field(default_factory=list)
    rejected: list[wire.Rejected] = field(default_factory=list)

    def answer(self) -> wire.Answer:
        return wire.Answer(
            accepted=self.accepted, duplicates=self.duplicates, rejected=self.rejected, time=time.time_ns() // 1000
        )


@dataclass(slots=True)
class Known:
    """A task row as it stands in the store."""

    id: int
    row: folding.Row
    cancelling: bool


def ingest(key: AgentKey, batch: ParsedBatch, tries: int = 1) -> wire.Answer:
    """Store a batch and say what became of each event. A repeated batch gets the answer it got at first."""
    if tries > 1 and not _settled(_is_unsuspected, key, batch):
        return _one_by_one(key, batch)
    try:
        return _settled(_together, key, batch)
    except Problem:
        raise
    except (OperationalError, InterfaceError):
        if tries > 1:
            _settled(_forgive_batch, key, batch)
        raise
    except Exception:
        logger.exception("ingest_failed boot=%s first=%s events=%s", batch.boot, batch.first, len(batch.events))
        return _one_by_one(key, batch)


def _settled(step: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
    """Run a transaction, again when the store ended a deadlock by choosing it as the victim."""
    for left in reversed(range(DEADLOCK_TRIES)):
        try:
            with transaction.atomic(durable=True):
                return step(*args, **kwargs)
        except OperationalError as error:
            if not left or getattr(error.__cause__, "sqlstate", "") not in _DEADLOCK:
                raise
    raise AssertionError("unreachable")


def _is_unsuspected(key: AgentKey, batch: ParsedBatch) -> bool:
    """Has no process that took this batch as a whole ended without a word? Writes down that this one takes it now."""
    return _suspect(agents.enrol(key, batch), _as_suspect(batch)) == 1


def _as_suspect(batch: ParsedBatch) -> int:
    """Where among an agent's suspects its batch as a whole stands: below zero, where no event is."""
    return -batch.first - 1


def _forgive_batch(key: AgentKey, batch: ParsedBatch) -> None:
    _forgive(agents.enrol(key, batch), _as_suspect(batch))


def _together(key: AgentKey, batch: ParsedBatch) -> wire.Answer:
    agent = agents.enrol(key, batch)
    if answer := _repeated(agent, batch):
        return answer
    tally = Tally()
    _take(agent, batch.events, tally)
    return _close(agent, key, batch, tally)


def _one_by_one(key: AgentKey, batch: ParsedBatch) -> wire.Answer:
    agent, answer, suspects = _settled(_look, key, batch)
    if answer:
        return answer
    tally = Tally()
    # What nothing has been said against goes first: the rest of the batch must not wait for a poison event.
    for parsed in sorted(batch.events, key=lambda parsed: (suspects.get(parsed.seq, 0), parsed.seq)):
        _try_alone(key, batch, agent, parsed, tally)
    return _settled(_close_locked, key, batch, tally)


def _look(key: AgentKey, batch: ParsedBatch) -> tuple[Agent, wire.Answer | None, dict[int, int]]:
    agent = agents.enrol(key, batch)
    suspects = dict(Suspect.objects.filter(agent=agent).values_list("seq", "tries"))
    return agent, _repeated(agent, batch), suspects


def _close_locked(key: AgentKey, batch: ParsedBatch, tally: Tally) -> wire.Answer:
    return _close(agents.enrol(key, batch), key, batch, tally)


def _try_alone(key: AgentKey, batch: ParsedBatch, agent: Agent, parsed: ParsedEvent, tally: Tally) -> None:
    """Take one event in a transaction of its own, three times at most, over all processes that died of it."""
    while _settled(_suspect, agent, parsed.seq) <= wire.ISOLATE_AFTER:
        try:
            return _settled(_take_alone, key, batch, parsed, tally)
        except (OperationalError, InterfaceError):
            _settled(_forgive, agent, parsed.seq)
            raise
        except Exception:
            logger.exception("event_failed boot=%s seq=%s", batch.boot, parsed.seq)
    _settled(_set_aside, key, batch, parsed, tally)


def _suspect(agent: Agent, seq: int) -> int:
    """Count a try before it is made, so that it counts even if the process does not live to tell."""
    suspect, _ = Suspect.objects.get_or_create(agent=agent, seq=seq)
    suspect.tries += 1
    suspect.save(update_fields=["tries"])
    return suspect.tries


def _forgive(agent: Agent, seq: int) -> None:
    Suspect.objects.filter(agent=agent, seq=seq).delete()


def _take_alone(key: AgentKey, batch: ParsedBatch, parsed: ParsedEvent, tally: Tally) -> None:
    agent = agents.enrol(key, batch)
    alone = Tally()
    _take(agent, [parsed], alone)
    agent.save()
    _forgive(agent, parsed.seq)
    tally.accepted += alone.accepted
    tally.duplicates += alone.duplicates
    tally.rejected += alone.rejected


def _set_aside(key: AgentKey, batch: ParsedBatch, parsed: ParsedEvent, tally: Tally) -> None:
    agent = agents.enrol(key, batch)
    text = parsed.text.encode()
    _quarantine(agent, [RejectedEvent.of(parsed.seq, "poison", text)], tally)
    agent.save(update_fields=["received"])
    _forgive(agent, parsed.seq)


def _repeated(agent: Agent, batch: ParsedBatch) -> wire.Answer | None:
    """The answer this very batch got before. Another batch in its place is a fault of the agent."""
    before = Batch.objects.filter(agent=agent, first=batch.first).first()
    if before is None:
        return None
    if before.digest != batch.digest:
        raise Problem(
            409, "id_conflict", "Another batch", "A batch of this boot and first seq came with other content."
        )
    _forgive(agent, _as_suspect(batch))
    answer: wire.Answer = before.answer
    return answer


def _take(agent: Agent, events: list[ParsedEvent], tally: Tally) -> None:
    """Store the events that are new, each where it belongs."""
    tasks, agent_events, fleet_events = [], [], []
    for parsed in events:
        if not _is_new(agent, parsed, tally):
            continue
        kind = parsed.event["kind"]
        if kind.startswith("agent."):
            agent_events.append(parsed)
        elif kind.startswith("worker.") or kind == wire.Kind.QUEUE_SNAPSHOT:
            fleet_events.append(parsed)
        else:
            tasks.append(parsed)
    if tasks:
        _store(agent, tasks)
    if agent_events:
        agents.apply(agent, agent_events)
    if fleet_events:
        fleet.apply(agent, fleet_events)


def _is_new(agent: Agent, parsed: ParsedEvent, tally: Tally) -> bool:
    ranges = agent.received
    if len(ranges) >= MAX_RANGES and parsed.seq != ranges[-1][1] + 1 and not intervals.contains(ranges, parsed.seq):
        tally.rejected.append(wire.Rejected(seq=parsed.seq, code="too_sparse"))
        return False
    if not intervals.add(ranges, parsed.seq):
        tally.duplicates.append(parsed.seq)
        return False
    tally.accepted += 1
    return True


def _close(agent: Agent, key: AgentKey, batch: ParsedBatch, tally: Tally) -> wire.Answer:
    _quarantine(agent, batch.rejected, tally)
    answer = tally.answer()
    agents.saw(agent, key)
    _forgive(agent, _as_suspect(batch))
    Batch.objects.create(agent=agent, first=batch.first, digest=batch.digest, answer=answer)
    return answer


def _quarantine(agent: Agent, events: list[RejectedEvent], tally: Tally) -> None:
    rows = []
    for event in events:
        if event.seq >= 0 and not intervals.add(agent.received, event.seq):
            tally.duplicates.append(event.seq)
            continue
        tally.rejected.append(wire.Rejected(seq=event.seq, code=event.code))
        rows.append(Quarantined(agent=agent, seq=event.seq, code=event.code, size=event.size, digest=event.digest))
    Quarantined.objects.bulk_create(rows)


def _store(agent: Agent, events: list[ParsedEvent]) -> None:
    boot = str(agent.boot)
    groups: dict[Identity, list[Keyed]] = defaultdict(list)
    for parsed in events:
        event = parsed.event
        if task_id := event.get("task_id"):
            groups[event.get("engine") or "", task_id].append((folding.order_key(event, boot), event))
    for keyed in groups.values():
        keyed.sort(key=_first)
    ids = _fold_in(agent.environment_id, groups)
    _append(agent, events, ids)
    nudge.on_commit(agent.environment_id, "task", [str(pk) for pk in ids.values()])


def _first(keyed: Keyed) -> folding.Key:
    return keyed[0]


def _fold_in(environment_id: int, groups: dict[Identity, list[Keyed]]) -> dict[Identity, int]:
    """Bring the tasks of these events up to date; return the id of each."""
    known = _read(environment_id, list(groups))
    ids = {identity: found.id for identity, found in known.items()}
    new = {identity: folding.fold(None, keyed) for identity, keyed in groups.items() if identity not in known}
    if new:
        made = _insert(environment_id, new)
        ids |= made
        # Another writer on PostgreSQL may have made some of them since we looked: these are read, and folded onto.
        if missed := [identity for identity in new if identity not in made]:
            known |= (again := _read(environment_id, missed))
            ids |= {identity: found.id for identity, found in again.items()}
    if known:
        _update(environment_id, known, groups)
    return ids


def _read(environment_id: int, identities: list[Identity]) -> dict[Identity, Known]:
    """The rows of these tasks, locked in the order of their ids."""
    by_engine: dict[str, list[str]] = defaultdict(list)
    for engine, task_id in identities:
        by_engine[engine].append(task_id)
    columns = ", ".join(("id", "task_id", "cancel_requested_at", *FIELDS))
    lock = "ORDER BY id FOR UPDATE" if bulk.on_postgres() else ""
    known = {}
    with connection.cursor() as cursor:
        for engine in sorted(by_engine):
            marks = ", ".join(["%s"] * len(by_engine[engine]))
            cursor.execute(
                f"SELECT {columns} FROM tasks_task WHERE environment_id = %s AND engine = %s "  # noqa: S608
                f"AND task_id IN ({marks}) {lock}",
                [environment_id, engine, *by_engine[engine]],
            )
            for pk, task_id, cancelling, *values in cursor.fetchall():
                known[engine, task_id] = Known(pk, _as_row(values), cancelling is not None)
    return known


def _as_row(values: list[Any]) -> folding.Row:
    row = dict(zip(FIELDS, values, strict=True))
    for name in _TIMES:
        row[name] = bulk.micros(row[name])
    row["truncated"] = orjson.loads(row["truncated"]) if isinstance(row["truncated"], str) else row["truncated"]
    return row


def _stored(name: str, value: Any) -> Any:
    """A field that is neither text nor number, as its column takes it."""
    if value is None:
        return None
    if name in _TIMES:
        return bulk.stored_time(value)
    return value if bulk.on_postgres() else orjson.dumps(value).decode()


def _values(row: folding.Row, names: Iterable[str]) -> list[Any]:
    return [_stored(name, row[name]) if name in _CONVERTED else row[name] for name in names]


def _insert(environment_id: int, new: dict[Identity, folding.Row]) -> dict[Identity, int]:
    """Insert these tasks: ids by the order of arrival, inserts by that of names, so that two writers do not tangle."""
    ids = dict(zip(new, bulk.reserve(Task, len(new)), strict=True))
    rows = [
        (ids[identity], environment_id, *identity, *_PLAIN(row), *_values(row, _CONVERTED), "")
        for identity, row in sorted(new.items(), key=itemgetter(0))
    ]
    names = (*_IDENTITY, *FIELDS, "cancel_requested_by")
    made = bulk.insert(Task, names, rows, unique=("environment", "engine", "task_id"))
    return {identity: pk for identity, pk in ids.items() if pk in made}


def _update(environment_id: int, known: dict[Identity, Known], groups: dict[Identity, list[Keyed]]) -> None:
    """Fold the events onto rows that exist, and write only those columns that change: an index costs when touched."""
    late = [found.id for one, found in known.items() if folding.key_text(groups[one][0][0]) < found.row["fold_key"]]
    earlier = _earlier(late) if late else {}
    changes: dict[tuple[str, ...], list[tuple[Any, ...]]] = defaultdict(list)
    settled: dict[int, str] = {}
    for identity, found in known.items():
        row = _refold(found, groups[identity], earlier)
        changed = tuple(name for name in FIELDS if row[name] != found.row[name])
        changes[changed].append((found.id, *_values(row, changed)))
        if found.cancelling and row["state"] in wire.FINAL:
            settled[found.id] = row["state"]
    for changed, rows in changes.items():
        if changed:
            bulk.update(Task, ("id", *changed), rows)
    if settled:
        outbox.confirm(environment_id, settled)


def _refold(found: Known, keyed: list[Keyed], earlier: dict[int, list[Keyed]]) -> folding.Row:
    if found.id not in earlier:
        return folding.fold(found.row, keyed)
    return folding.fold(None, sorted((*earlier[found.id], *keyed), key=_first))


def _earlier(task_ids: list[int]) -> dict[int, list[Keyed]]:
    """All events these tasks have, with their order keys."""
    events: dict[int, list[Keyed]] = defaultdict(list)
    stored = Event.objects.filter(task_id__in=task_ids).values_list("task_id", "agent__boot", "data")
    for task_id, boot, event in stored.iterator():
        events[task_id].append((folding.order_key(event, str(boot)), event))
    return events


def _append(agent: Agent, events: list[ParsedEvent], ids: dict[Identity, int]) -> None:
    now = bulk.stored_time(time.time_ns() // 1000)
    environment_id, agent_id = agent.environment_id, bulk.stored_uuid(agent.pk)
    rows = []
    for parsed in events:
        event = parsed.event
        task = ids.get((event.get("engine") or "", event.get("task_id") or ""))
        rows.append((environment_id, task, agent_id, parsed.seq, event["kind"], event["ts"], parsed.text, now))
    bulk.append(Event, _EVENT_FIELDS, rows)

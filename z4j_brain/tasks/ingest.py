"""A batch of events, taken once: each event goes where it belongs, and the answer says what became of it.

Batches that wait together are taken together, in one transaction: each gets an answer of its own, and what they share
(statements, statistics, the commit) is paid for once. When that breaks, each is taken by itself.

A batch that breaks the ingest must not stop an agent for ever: when the code raises, or a process has died over it, its
events are taken one by one, and what fails three times by itself is quarantined. A process that dies leaves a Suspect
behind, written before the try; for a batch as a whole only when it comes again, since the first try nearly always
succeeds. A brain that was merely away leaves none. Trouble of the database is raised: it is no event's fault.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ParamSpec, TypeVar
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from z4j_core import wire

from z4j_brain.agents import handover, redaction
from z4j_brain.agents import ingest as agents
from z4j_brain.agents.models import Agent, AgentKey, Batch, Quarantined, Suspect
from z4j_brain.fleet import ingest as fleet
from z4j_brain.lib import intervals
from z4j_brain.lib.batch import ParsedBatch, ParsedEvent, RejectedEvent
from z4j_brain.lib.problem import Problem
from z4j_brain.tasks import late, rows

logger = logging.getLogger(__name__)

#: An agent whose sequence has more holes than this is broken; its events are turned away.
MAX_RANGES = 10_000
DEADLOCK_TRIES = 5
_DEADLOCK = frozenset({"40P01", "40001"})

Given = ParamSpec("Given")
Result = TypeVar("Result")


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


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """A batch to be taken, with the key it came under and the how manieth try of the agent this is."""

    key: AgentKey
    batch: ParsedBatch
    tries: int = 1

    @property
    def repeated(self) -> bool:
        return self.tries > 1


@dataclass(slots=True)
class Taking:
    """A batch that is being taken."""

    agent: Agent
    work: Work
    tally: Tally
    introduces: bool = False


def ingest(key: AgentKey, batch: ParsedBatch, tries: int = 1) -> wire.Answer:
    """Store a batch and say what became of each event. A repeated batch gets the answer it got at first."""
    work = Work(key, batch, tries)
    if work.repeated and not _settled(_is_unsuspected, key, batch):
        return _one_by_one(key, batch)
    try:
        answer = _settled(_together, [work])[work]
    except (OperationalError, InterfaceError):
        if work.repeated:
            _settled(_forgive_batch, key, batch)
        raise
    except Exception:
        logger.exception("ingest_failed boot=%s first=%s events=%s", batch.boot, batch.first, len(batch.events))
        return _one_by_one(key, batch)
    if isinstance(answer, Problem):
        raise answer
    return answer


def ingest_together(works: Sequence[Work]) -> list[wire.Answer | Exception]:
    """Store several batches at once: what `ingest` returns or raises for each."""
    outcomes: dict[Work, wire.Answer | Exception] = {}
    group = [work for work in works if not work.repeated]
    if len(group) > 1:
        try:
            outcomes |= _settled(_together, group)
        except (OperationalError, InterfaceError) as error:
            outcomes |= dict.fromkeys(group, error)
        except Exception:
            logger.exception("group_failed batches=%s", len(group))
    return [outcomes[work] if work in outcomes else _alone(work) for work in works]


def _alone(work: Work) -> wire.Answer | Exception:
    try:
        return ingest(work.key, work.batch, work.tries)
    except Exception as error:
        return error


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


def _together(works: Sequence[Work]) -> dict[Work, wire.Answer | Problem]:
    # In one order, so that two writers do not wait for each other.
    works = sorted(works, key=lambda work: (work.key.environment_id, work.batch.boot, work.batch.first))
    enrolled = agents.enrol_all([(work.key, work.batch) for work in works])
    before = agents.answered([(agent, work.batch.first) for agent, work in zip(enrolled, works, strict=True)])
    takings: dict[tuple[UUID, int], Taking] = {}
    for agent, work in zip(enrolled, works, strict=True):
        place = agent.pk, work.batch.first
        if place not in before:
            takings.setdefault(place, Taking(agent, work, Tally()))
    told: dict[int, list[tuple[Agent, list[ParsedEvent]]]] = defaultdict(list)
    for taking in takings.values():
        told[taking.agent.environment_id].append((taking.agent, _sort(taking)))
    before |= _close_all(takings)
    for environment_id, parts in told.items():
        _store(environment_id, parts)
    return {work: _answer(agent, work, before) for agent, work in zip(enrolled, works, strict=True)}


def _store(environment_id: int, told: late.Told) -> None:
    """Store what the agents told of tasks and schedules, after a second look for what they should have hidden."""
    looked = late.look(redaction.believed(environment_id), told)
    tasks, scheduled = _parted(looked.told)
    rows.store(environment_id, tasks, scheduled)
    agents.count_hidden(environment_id, looked.hidden, looked.late)


def _parted(told: late.Told) -> tuple[late.Told, late.Told]:
    """What is about tasks, and what is about schedules."""
    of_schedules = [
        (agent, [parsed for parsed in events if parsed.event["kind"] in handover.KINDS]) for agent, events in told
    ]
    if not any(events for _, events in of_schedules):
        return told, []
    of_tasks = [
        (agent, [parsed for parsed in events if parsed.event["kind"] not in handover.KINDS]) for agent, events in told
    ]
    return of_tasks, of_schedules


def _sort(taking: Taking) -> list[ParsedEvent]:
    """Bring agent and fleet up to date; what is left is about tasks and schedules."""
    tasks, agent_events, fleet_events = _sorted_out(taking.agent, taking.work.batch.events, taking.tally)
    if agent_events:
        agents.apply(taking.agent, agent_events)
        taking.introduces = True
    if fleet_events:
        fleet.apply(taking.agent, fleet_events)
    return tasks


def _close_all(takings: Mapping[tuple[UUID, int], Taking]) -> dict[tuple[UUID, int], Batch]:
    """Write down what became of each batch, and that the agents were heard."""
    batches = {place: _batch(taking) for place, taking in takings.items()}
    Batch.objects.bulk_create(batches.values())
    introduced = {taking.agent.pk for taking in takings.values() if taking.introduces}
    last = {taking.agent.pk: taking for taking in takings.values()}
    for taking in last.values():
        agents.saw(taking.agent, taking.work.key, introduced=taking.agent.pk in introduced)
    return batches


def _batch(taking: Taking) -> Batch:
    batch = taking.work.batch
    _quarantine(taking.agent, batch.rejected, taking.tally)
    return Batch(agent=taking.agent, first=batch.first, digest=batch.digest, answer=taking.tally.answer())


def _answer(agent: Agent, work: Work, batches: Mapping[tuple[UUID, int], Batch]) -> wire.Answer | Problem:
    """The answer this very batch got, now or before. Another batch in its place is a fault of the agent."""
    if work.repeated:
        _forgive(agent, _as_suspect(work.batch))
    batch = batches[agent.pk, work.batch.first]
    if batch.digest != work.batch.digest:
        return Problem(
            409, "id_conflict", "Another batch", "A batch of this boot and first seq came with other content."
        )
    answer: wire.Answer = batch.answer
    return answer


def _one_by_one(key: AgentKey, batch: ParsedBatch) -> wire.Answer:
    agent, before, suspects = _settled(_look, key, batch)
    if before is None:
        tally = Tally()
        # What nothing has been said against goes first: the rest of the batch must not wait for a poison event.
        for parsed in sorted(batch.events, key=lambda parsed: (suspects.get(parsed.seq, 0), parsed.seq)):
            _try_alone(key, batch, agent, parsed, tally)
        before = _settled(_close_alone, key, batch, tally)
    answer = _answer(agent, Work(key, batch, tries=2), {(agent.pk, batch.first): before})
    if isinstance(answer, Problem):
        raise answer
    return answer


def _look(key: AgentKey, batch: ParsedBatch) -> tuple[Agent, Batch | None, dict[int, int]]:
    agent = agents.enrol(key, batch)
    suspects = dict(Suspect.objects.filter(agent=agent).values_list("seq", "tries"))
    return agent, agents.answered([(agent, batch.first)]).get((agent.pk, batch.first)), suspects


def _close_alone(key: AgentKey, batch: ParsedBatch, tally: Tally) -> Batch:
    agent = agents.enrol(key, batch)
    return _close_all({(agent.pk, batch.first): Taking(agent, Work(key, batch), tally, introduces=True)})[
        agent.pk, batch.first
    ]


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
    alone = Taking(agent, Work(key, replace(batch, events=[parsed])), Tally())
    if tasks := _sort(alone):
        _store(agent.environment_id, [(agent, tasks)])
    agent.save()
    _forgive(agent, parsed.seq)
    tally.accepted += alone.tally.accepted
    tally.duplicates += alone.tally.duplicates
    tally.rejected += alone.tally.rejected


def _set_aside(key: AgentKey, batch: ParsedBatch, parsed: ParsedEvent, tally: Tally) -> None:
    agent = agents.enrol(key, batch)
    text = parsed.text.encode()
    _quarantine(agent, [RejectedEvent.of(parsed.seq, "poison", text)], tally)
    agent.save(update_fields=["received"])
    _forgive(agent, parsed.seq)


def _sorted_out(
    agent: Agent, events: list[ParsedEvent], tally: Tally
) -> tuple[list[ParsedEvent], list[ParsedEvent], list[ParsedEvent]]:
    """The events that are new: about tasks and schedules, about the agent, about workers and queues."""
    tasks, agent_events, fleet_events = [], [], []
    for parsed in _new(agent, events, tally):
        kind = parsed.event["kind"]
        if kind.startswith("task."):
            tasks.append(parsed)
        elif kind.startswith("agent."):
            agent_events.append(parsed)
        elif kind.startswith("worker.") or kind == wire.Kind.QUEUE_SNAPSHOT:
            fleet_events.append(parsed)
        else:
            tasks.append(parsed)
    return tasks, agent_events, fleet_events


def _new(agent: Agent, events: list[ParsedEvent], tally: Tally) -> list[ParsedEvent]:
    """Those that have not come before. Nearly always all of them: they go on where the agent's last batch ended."""
    if intervals.extend(agent.received, [parsed.seq for parsed in events]):
        tally.accepted += len(events)
        return events
    return [parsed for parsed in events if _is_new(agent, parsed, tally)]


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


def _quarantine(agent: Agent, events: list[RejectedEvent], tally: Tally) -> None:
    aside = []
    for event in events:
        if event.seq >= 0 and not intervals.add(agent.received, event.seq):
            tally.duplicates.append(event.seq)
            continue
        tally.rejected.append(wire.Rejected(seq=event.seq, code=event.code))
        aside.append(Quarantined(agent=agent, seq=event.seq, code=event.code, size=event.size, digest=event.digest))
    Quarantined.objects.bulk_create(aside)

"""A batch of events, taken once: each event goes where it belongs, and the answer says what became of it.

A batch that breaks the ingest must not stop an agent for ever: when the code raises, or a process has died over it, its
events are taken one by one, and what fails three times by itself is quarantined. A process that dies leaves a Suspect
behind, written before the try; for a batch as a whole only when it comes again, since the first try nearly always
succeeds. A brain that was merely away leaves none. Trouble of the database is raised: it is no event's fault.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, transaction
from z4j_core import wire

from z4j_brain.agents import ingest as agents
from z4j_brain.agents.models import Agent, AgentKey, Batch, Quarantined, Suspect
from z4j_brain.fleet import ingest as fleet
from z4j_brain.lib import intervals
from z4j_brain.lib.batch import ParsedBatch, ParsedEvent, RejectedEvent
from z4j_brain.lib.problem import Problem
from z4j_brain.tasks import rows

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
        rows.store(agent, tasks)
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
    aside = []
    for event in events:
        if event.seq >= 0 and not intervals.add(agent.received, event.seq):
            tally.duplicates.append(event.seq)
            continue
        tally.rejected.append(wire.Rejected(seq=event.seq, code=event.code))
        aside.append(Quarantined(agent=agent, seq=event.seq, code=event.code, size=event.size, digest=event.digest))
    Quarantined.objects.bulk_create(aside)

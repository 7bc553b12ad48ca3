"""What is handed on while batches are taken, between apps that do not import each other.

Who takes batches knows tasks. Of schedules it hands on what agents told, and how the tasks stand that schedules sent,
within its own transaction; and whoever keeps schedules may ask how such a task stands.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from z4j_core.wire import Kind

from z4j_brain.agents.models import Agent
from z4j_brain.lib.batch import ParsedEvent

Told = Sequence[tuple[Agent, list[ParsedEvent]]]
#: By engine and id.
Task = tuple[str, str]

KINDS = frozenset(
    {
        Kind.SCHEDULE_TOLD,
        Kind.SCHEDULE_GONE,
        Kind.SCHEDULE_LISTED,
        Kind.SCHEDULE_FIRED,
        Kind.SCHEDULE_SKIPPED,
        Kind.SCHEDULER_HEARTBEAT,
    }
)


@dataclass(frozen=True, slots=True)
class Sent:
    """How a task stands that a schedule has sent. Times are microseconds since the epoch."""

    engine: str
    task_id: str
    state: str
    started_at: int | None = None
    finished_at: int | None = None
    runtime_ms: float | None = None
    error_type: str = ""


Taker = Callable[[int, Told, Sequence[Sent]], None]
Look = Callable[[int, Collection[Task]], list[Sent]]

_takers: list[Taker] = []
_looks: list[Look] = []


def register(taker: Taker) -> None:
    """`taker` gets, with the id of their environment, the events of these kinds and the tasks that have changed."""
    if taker not in _takers:
        _takers.append(taker)


def answers(look: Look) -> None:
    """`look` says how tasks stand, and keeps them from changing until the transaction ends."""
    if look not in _looks:
        _looks.append(look)


def hand_on(environment_id: int, told: Told, sent: Sequence[Sent]) -> None:
    """Within the transaction that takes the events, after the rows of their tasks are written."""
    if sent or any(events for _, events in told):
        for taker in _takers:
            taker(environment_id, told, sent)


def look(environment_id: int, tasks: Collection[Task]) -> list[Sent]:
    """Those of these tasks that are known."""
    return [sent for one in _looks for sent in one(environment_id, tasks)] if tasks else []

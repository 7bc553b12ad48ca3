"""Whether a verb makes sense for a task as it stands, and the sentence that says why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from z4j_brain.operations.states import LeftOut
from z4j_brain.tasks.states import GIVEN_UP, TERMINAL, TaskState

Verdict = tuple[LeftOut, str] | None

#: Before its worker has it, a task can be taken out of its queue.
WAITING = frozenset({TaskState.SCHEDULED, TaskState.QUEUED, TaskState.RETRYING})


class Standing(Protocol):
    """What of a task decides."""

    @property
    def state(self) -> str: ...


def retry(task: Standing) -> Verdict:
    if task.state in TERMINAL:
        return None
    return LeftOut.NOT_FINISHED, f"{TaskState(task.state).label}, not finished: there is nothing to retry yet."


def cancel(task: Standing) -> Verdict:
    if task.state == TaskState.LOST:
        return LeftOut.ALREADY_FINAL, "Probably lost: no worker says that it has it."
    if task.state in TERMINAL:
        return LeftOut.ALREADY_FINAL, f"Already {TaskState(task.state).label.lower()}, nothing to cancel."
    return None


def requeue(task: Standing) -> Verdict:
    if task.state in GIVEN_UP:
        return None
    why = f"{TaskState(task.state).label}: only what the engine gave up can go back into its queue."
    return LeftOut.NOT_GIVEN_UP, why


def move(task: Standing) -> Verdict:
    if task.state in WAITING:
        return None
    return LeftOut.NOT_WAITING, f"{TaskState(task.state).label}: only what waits in a queue can be moved to another."


def reveal(task: Standing) -> Verdict:
    """In any state: what decides is whether something is sealed."""
    return None


VERDICTS: dict[str, Callable[[Standing], Verdict]] = {
    "cancel": cancel,
    "requeue": requeue,
    "retry": retry,
    "retry_with": retry,
    "move": move,
    "reveal": reveal,
}

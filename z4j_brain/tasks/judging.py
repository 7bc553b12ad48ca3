"""Whether a verb makes sense for a task as it stands, and the sentence that says why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from django.utils.translation import gettext

from z4j_brain.lib.words import uncapped
from z4j_brain.operations.states import LeftOut
from z4j_brain.tasks.states import GIVEN_UP, TERMINAL, TaskState

Verdict = tuple[LeftOut, str] | None

#: Before its worker has it, a task can be taken out of its queue.
WAITING = frozenset({TaskState.SCHEDULED, TaskState.QUEUED, TaskState.RETRYING})


class Standing(Protocol):
    """What of a task decides."""

    @property
    def state(self) -> str: ...


def _said(text: str, task: Standing) -> str:
    return text % {"state": TaskState(task.state).label}


def retry(task: Standing) -> Verdict:
    if task.state in TERMINAL:
        return None
    return LeftOut.NOT_FINISHED, _said(gettext("%(state)s, not finished: there is nothing to retry yet."), task)


def cancel(task: Standing) -> Verdict:
    if task.state == TaskState.LOST:
        return LeftOut.ALREADY_FINAL, gettext("Probably lost: no worker says that it has it.")
    if task.state in TERMINAL:
        return LeftOut.ALREADY_FINAL, gettext("Already %(state)s, nothing to cancel.") % {
            "state": uncapped(TaskState(task.state).label)
        }
    return None


def requeue(task: Standing) -> Verdict:
    if task.state in GIVEN_UP:
        return None
    why = _said(gettext("%(state)s: only what the engine gave up can go back into its queue."), task)
    return LeftOut.NOT_GIVEN_UP, why


def move(task: Standing) -> Verdict:
    if task.state in WAITING:
        return None
    why = _said(gettext("%(state)s: only what waits in a queue can be moved to another."), task)
    return LeftOut.NOT_WAITING, why


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

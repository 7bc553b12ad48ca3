"""How far the last hello through each engine has come, hop by hop, and which hop keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext

from z4j_brain.lib.words import uncapped
from z4j_brain.operations import queries as operations
from z4j_brain.operations.models import Item
from z4j_brain.operations.states import ItemOutcome
from z4j_brain.rbac.models import Environment
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.states import TERMINAL, TaskState
from z4j_brain.tasks.verbs import ENGINE


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of the way. Without a time it has not been reached."""

    word: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hello:
    """`arrived`: it went all the way. `stuck`: a sentence about the hop that keeps it, with the next step."""

    item: Item
    task: Task | None
    hops: tuple[Hop, ...]
    stuck: str

    @property
    def arrived(self) -> bool:
        return not self.stuck and self.task is not None and self.task.state == TaskState.SUCCEEDED


def last(environment: Environment, engines: Sequence[str]) -> dict[str, Hello]:
    """By engine, its newest hello of late."""
    asked = {engine: operations.newest(environment, ENGINE, engine) for engine in engines}
    newest = {engine: item for engine, item in asked.items() if item is not None}
    ids = [item.new_task_id for item in newest.values() if item.new_task_id]
    rows = Task.objects.filter(environment=environment, task_id__in=ids).only(*_SHOWN)
    tasks = {(task.engine, task.task_id): task for task in rows}
    return {engine: _story(item, tasks.get((engine, item.new_task_id))) for engine, item in newest.items()}


_SHOWN = ("id", "engine", "task_id", "state", "worker", "queue", "enqueued_at", "started_at", "finished_at")


def _story(item: Item, task: Task | None) -> Hello:
    sent = item.settled_at if item.outcome == ItemOutcome.DONE else None
    hops = (
        Hop(gettext("asked for"), item.operation.created_at),
        Hop(gettext("sent by a worker's agent"), sent),
        Hop(gettext("seen in the queue"), task.enqueued_at or task.started_at if task else None),
        Hop(gettext("taken by a worker"), task.started_at if task else None),
        Hop(gettext("ended, and told here"), task.finished_at if task else None),
    )
    return Hello(item, task, hops, _stuck(item, task))


def _stuck(item: Item, task: Task | None) -> str:
    if item.outcome is None:
        return gettext("No agent has taken it yet. Is a worker of this engine running, with the agent?")
    if item.outcome != ItemOutcome.DONE:
        text = gettext("It was not sent: %(outcome)s.") % {"outcome": uncapped(item.get_outcome_display())}
        return f"{text} {item.detail}".rstrip()
    if task is None:
        return gettext(
            "It was sent, but no event of it has come here. Do all workers have an agent with this environment's DSN?"
        )
    if task.state in TERMINAL and task.state != TaskState.SUCCEEDED:
        text = gettext("A worker took it, and it ended as %(state)s. Its page says why.")
        return text % {"state": uncapped(TaskState(task.state).label)}
    if task.state not in TERMINAL and task.started_at is None:
        return gettext("It waits: no worker with an agent has taken it. Does one take from this queue, and is it free?")
    if task.state not in TERMINAL:
        text = gettext("%(worker)s runs it and has not finished. It may be stuck: look at what it runs.")
        return text % {"worker": task.worker or gettext("A worker")}
    return ""

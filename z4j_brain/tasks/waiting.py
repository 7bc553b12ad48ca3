"""Why a task has not begun: plain sentences out of what is known of it, its queue and its workers, each with a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from z4j_brain.agents.states import Presence
from z4j_brain.fleet import queries as fleet
from z4j_brain.fleet.models import Queue, Worker
from z4j_brain.lib import nouns
from z4j_brain.lib.bulk import EPOCH
from z4j_brain.lib.words import level
from z4j_brain.operations.models import Command, Operation
from z4j_brain.operations.states import ItemOutcome
from z4j_brain.rbac.actor import Actor
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.states import TaskState

WAITS = frozenset({TaskState.SCHEDULED, TaskState.QUEUED, TaskState.RECEIVED, TaskState.RETRYING})
#: The newest operations among which a rate limit is looked for.
ASKED = 1_000
_GRAVE = frozenset({"paused", "no_worker", "busy", "worker_gone"})


@dataclass(frozen=True, slots=True)
class Reason:
    """`code` for programs. `page`: where to go on, with the key of what it is about, and `step`, the word for that."""

    code: str
    text: str
    page: str = ""
    key: int | None = None
    step: str = ""

    @property
    def is_grave(self) -> bool:
        """Will it stay so until somebody does something?"""
        return self.code in _GRAVE


def waiting(actor: Actor, task: Task) -> list[Reason]:
    """Empty for a task that does not wait; for one that does there is always something to say."""
    if task.state not in WAITS:
        return []
    found = [
        *_not_yet(task),
        *(_in_worker(actor, task) if task.state == TaskState.RECEIVED else _in_queue(actor, task)),
    ]
    return found or [
        Reason("nothing", "Nothing that is known stops it. If it stays so, ask the doctor.", "doctor", step="Doctor")
    ]


def _not_yet(task: Task) -> Iterator[Reason]:
    is_retry = task.attempt > 0 or task.state == TaskState.RETRYING
    if task.eta is not None and task.eta > timezone.now():
        at = f"{_clock(task.eta)}, in {_span(task.eta - timezone.now())}"
        if is_retry:
            yield Reason("retry_delayed", f"{_attempt(task)} The next one begins at {at}.")
        else:
            yield Reason("eta", f"It is due at {at}. Nothing takes it before; cancel it if it should not run.")
    elif task.state == TaskState.RETRYING:
        yield Reason("retry_delayed", f"{_attempt(task)} It is tried again; its engine does not say when.")


def _attempt(task: Task) -> str:
    """The one that failed: the task counts the one to come already."""
    return f"Attempt {max(task.attempt, 1)}{f' of {task.max_attempts}' if task.max_attempts else ''} failed."


def _in_worker(actor: Actor, task: Task) -> Iterator[Reason]:
    """Somebody has it and has not begun."""
    yield from _limited(task)
    worker = fleet.by_name(actor, task.environment, task.engine, task.worker) if task.worker else None
    if worker is None or _is_due_later(task):
        return
    if worker.state != Presence.ONLINE:
        gone = "said goodbye" if worker.state == Presence.OFFLINE else f"fell silent {_ago(worker.heartbeat_at)} ago"
        text = f"{worker.name} took it and {gone}: probably it is lost. It is looked for in the engine's own store."
        yield Reason("worker_gone", text, "worker", worker.pk, "Its worker")
    elif worker.running:
        text = f"{worker.name} has taken it already and runs {_longest([worker])}; {_slots([worker])}."
        text += " It begins once a slot is free."
        yield Reason("prefetched", text, "worker", worker.pk, "Its worker")


def _in_queue(actor: Actor, task: Task) -> Iterator[Reason]:
    """It should lie in its queue."""
    yield from _limited(task)
    if not task.queue:
        yield Reason("queue_unknown", "Nobody told which queue it went into, so nothing is known of who takes it.")
        return
    place = task.environment
    queue = fleet.queues(actor, place).filter(engine=task.engine, name=task.queue).first()
    workers = fleet.takers(actor, place, queue or Queue(engine=task.engine, name=task.queue))
    taking = [worker for worker in workers if task.queue not in worker.paused]
    paused = _paused(task, queue, workers, taking)
    if paused:
        yield paused
    if not workers:
        text = f"No worker that answers takes from {task.queue}. Start one that serves it, or connect one."
        yield Reason("no_worker", text, "connect", step="Connect a worker")
    elif not paused and not _is_due_later(task):
        yield from _taken(task, queue, taking)


def _paused(task: Task, queue: Queue | None, workers: Sequence[Worker], taking: Sequence[Worker]) -> Reason | None:
    if queue is not None and queue.paused_at is not None:
        who = queue.paused_by or "Somebody"
        why = f": “{queue.paused_reason}”" if queue.paused_reason else ""
        text = f"{who} paused {task.queue} {_ago(queue.paused_at)} ago{why}. Resume the queue to go on."
        return Reason("paused", text, "queue", queue.pk, "The queue")
    if workers and not taking:
        names = ", ".join(worker.name for worker in workers[:3])
        text = f"Every worker that serves {task.queue} was told to take nothing from it ({names}). Resume it to go on."
        return Reason("paused", text, "queue", queue.pk, "The queue") if queue else Reason("paused", text)
    return None


def _taken(task: Task, queue: Queue | None, taking: Sequence[Worker]) -> Iterator[Reason]:
    """Workers take from the queue: are they free, and is the task there?"""
    link = ("queue", queue.pk, "The queue") if queue else ("workers", None, "Workers")
    if queue is None or queue.is_stale:
        since = f" for {_ago(queue.measured_at)}" if queue else ""
        text = (
            f"Nobody has measured {task.queue}{since}: whether it still lies there is not known. Look at its workers."
        )
        yield Reason("unmeasured", text, "workers", step="Workers")
    busy, slots = sum(len(worker.running) for worker in taking), sum(worker.size for worker in taking)
    if slots and busy >= slots:
        text = f"All slots that serve {task.queue} are busy: {busy:,} of {slots:,} on {nouns.workers(len(taking))}. "
        text += f"The longest runs {_longest(taking)}. Add slots or workers, or find what keeps them."
        yield Reason("busy", text, *link)
    elif (
        queue is not None and not queue.is_stale and queue.exact and queue.is_empty and queue.measured_at > task.last_at
    ):
        text = f"{task.queue} was empty {_ago(queue.measured_at)} ago: somebody may have taken it without a word. "
        yield Reason("missing", text + "It is looked for in the engine's own store.", *link)
    elif queue is not None and queue.depth > 1:
        text = f"It stands in line: {nouns.tasks(queue.depth)} wait in {task.queue}, and {_slots(taking)}."
        yield Reason("in_line", text, *link)


def _limited(task: Task) -> Iterator[Reason]:
    """A rate limit that was set from here. What the code itself sets, its worker does not tell."""
    newest = Operation.objects.filter(environment=task.environment_id).order_by("-id").values("pk")[:ASKED]
    asked = Operation.objects.filter(pk__in=newest, action="worker.rate_limit").values("pk")
    limits = Command.objects.filter(operation__in=asked, engine=task.engine, verb="rate_limit", params__name=task.name)
    limit = limits.filter(items__outcome=ItemOutcome.DONE).select_related("operation").order_by("-created_at").first()
    rate = str(limit.params.get("rate") or "0") if limit else "0"
    if limit is not None and rate.partition("/")[0] not in ("0", ""):
        who = f"{limit.operation.actor_name} limited {task.name} to {rate} {_ago(limit.created_at)} ago"
        yield Reason("rate_limit", f"{who}: what comes faster waits in its worker. Set another limit to change that.")


def _is_due_later(task: Task) -> bool:
    return task.eta is not None and task.eta > timezone.now()


def _slots(workers: Sequence[Worker]) -> str:
    busy, slots = sum(len(worker.running) for worker in workers), sum(worker.size for worker in workers)
    return f"{busy:,} of {nouns.slots(slots)} {'is' if busy == 1 else 'are'} busy"


def _longest(workers: Sequence[Worker]) -> str:
    """`shop.pay, for 6 min`: of all that run there, what began first."""
    running = [entry for worker in workers for entry in worker.running]
    first = min(running, key=lambda entry: entry.get("started") or 2**63)
    name, started = first.get("name") or "a task", first.get("started")
    return f"{name}, for {_ago(EPOCH + timedelta(microseconds=started))}" if isinstance(started, int) else str(name)


def _ago(moment: datetime) -> str:
    return _span(timezone.now() - moment)


def _span(time: timedelta) -> str:
    """In one unit: exact enough for somebody who waits."""
    return level(max(time, timedelta(seconds=1)) / timedelta(milliseconds=1))


def _clock(moment: datetime) -> str:
    day = "" if moment.date() == timezone.now().date() else f" on {moment.day} {moment:%b}"
    return f"{moment:%H:%M:%S} UTC{day}"

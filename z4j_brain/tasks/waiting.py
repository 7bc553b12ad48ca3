"""Why a task has not begun: plain sentences out of what is known of it, its queue and its workers, each with a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext

from z4j_brain.agents.states import Presence
from z4j_brain.fleet import queries as fleet
from z4j_brain.fleet.models import Queue, Worker
from z4j_brain.lib.bulk import EPOCH
from z4j_brain.lib.words import level, number
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
        Reason(
            "nothing",
            gettext("Nothing that is known stops it. If it stays so, ask the doctor."),
            "doctor",
            step=gettext("Doctor"),
        )
    ]


def _not_yet(task: Task) -> Iterator[Reason]:
    is_retry = task.attempt > 0 or task.state == TaskState.RETRYING
    if task.eta is not None and task.eta > timezone.now():
        at = gettext("%(clock)s, in %(span)s") % {"clock": _clock(task.eta), "span": _span(task.eta - timezone.now())}
        if is_retry:
            yield Reason(
                "retry_delayed",
                gettext("%(attempt)s The next one begins at %(at)s.") % {"attempt": _attempt(task), "at": at},
            )
        else:
            text = gettext("It is due at %(at)s. Nothing takes it before; cancel it if it should not run.")
            yield Reason("eta", text % {"at": at})
    elif task.state == TaskState.RETRYING:
        text = gettext("%(attempt)s It is tried again; its engine does not say when.")
        yield Reason("retry_delayed", text % {"attempt": _attempt(task)})


def _attempt(task: Task) -> str:
    """The one that failed: the task counts the one to come already."""
    told = {"number": max(task.attempt, 1), "most": task.max_attempts}
    if task.max_attempts:
        return gettext("Attempt %(number)s of %(most)s failed.") % told
    return gettext("Attempt %(number)s failed.") % told


def _in_worker(actor: Actor, task: Task) -> Iterator[Reason]:
    """Somebody has it and has not begun."""
    yield from _limited(task)
    worker = fleet.by_name(actor, task.environment, task.engine, task.worker) if task.worker else None
    if worker is None or _is_due_later(task):
        return
    if worker.state != Presence.ONLINE:
        yield Reason("worker_gone", _gone(worker), "worker", worker.pk, gettext("Its worker"))
    elif worker.running:
        text = gettext(
            "%(worker)s has taken it already and runs %(longest)s; %(slots)s. It begins once a slot is free."
        )
        text %= {"worker": worker.name, "longest": _longest([worker]), "slots": _slots([worker])}
        yield Reason("prefetched", text, "worker", worker.pk, gettext("Its worker"))


def _gone(worker: Worker) -> str:
    told = {"worker": worker.name, "span": _ago(worker.heartbeat_at)}
    if worker.state == Presence.OFFLINE:
        text = gettext(
            "%(worker)s took it and said goodbye: probably it is lost. It is looked for in the engine's own store."
        )
    else:
        text = gettext(
            "%(worker)s took it and fell silent %(span)s ago: probably it is lost. "
            "It is looked for in the engine's own store."
        )
    return text % told


def _in_queue(actor: Actor, task: Task) -> Iterator[Reason]:
    """It should lie in its queue."""
    yield from _limited(task)
    if not task.queue:
        text = gettext("Nobody told which queue it went into, so nothing is known of who takes it.")
        yield Reason("queue_unknown", text)
        return
    place = task.environment
    queue = fleet.queues(actor, place).filter(engine=task.engine, name=task.queue).first()
    workers = fleet.takers(actor, place, queue or Queue(engine=task.engine, name=task.queue))
    taking = [worker for worker in workers if task.queue not in worker.paused]
    paused = _paused(task, queue, workers, taking)
    if paused:
        yield paused
    if not workers:
        text = gettext("No worker that answers takes from %(queue)s. Start one that serves it, or connect one.")
        yield Reason("no_worker", text % {"queue": task.queue}, "connect", step=gettext("Connect a worker"))
    elif not paused and not _is_due_later(task):
        yield from _taken(task, queue, taking)


def _paused(task: Task, queue: Queue | None, workers: Sequence[Worker], taking: Sequence[Worker]) -> Reason | None:
    if queue is not None and queue.paused_at is not None:
        told = {"who": queue.paused_by or gettext("Somebody"), "queue": task.queue, "span": _ago(queue.paused_at)}
        text = gettext("%(who)s paused %(queue)s %(span)s ago. Resume the queue to go on.")
        if queue.paused_reason:
            text = gettext("%(who)s paused %(queue)s %(span)s ago: “%(reason)s”. Resume the queue to go on.")
        text %= told | {"reason": queue.paused_reason}
        return Reason("paused", text, "queue", queue.pk, gettext("The queue"))
    if workers and not taking:
        names = ", ".join(worker.name for worker in workers[:3])
        text = gettext(
            "Every worker that serves %(queue)s was told to take nothing from it (%(names)s). Resume it to go on."
        )
        text %= {"queue": task.queue, "names": names}
        return Reason("paused", text, "queue", queue.pk, gettext("The queue")) if queue else Reason("paused", text)
    return None


def _taken(task: Task, queue: Queue | None, taking: Sequence[Worker]) -> Iterator[Reason]:
    """Workers take from the queue: are they free, and is the task there?"""
    link = ("queue", queue.pk, gettext("The queue")) if queue else ("workers", None, gettext("Workers"))
    if queue is None or queue.is_stale:
        yield Reason("unmeasured", _unmeasured(task, queue), "workers", step=gettext("Workers"))
    busy, slots = sum(len(worker.running) for worker in taking), sum(worker.size for worker in taking)
    if slots and busy >= slots:
        yield Reason("busy", _busy(task, busy, slots, taking), *link)
    elif (
        queue is not None and not queue.is_stale and queue.exact and queue.is_empty and queue.measured_at > task.last_at
    ):
        text = gettext(
            "%(queue)s was empty %(span)s ago: somebody may have taken it without a word. "
            "It is looked for in the engine's own store."
        )
        yield Reason("missing", text % {"queue": task.queue, "span": _ago(queue.measured_at)}, *link)
    elif queue is not None and queue.depth > 1:
        text = gettext("It stands in line: %(number)s tasks wait in %(queue)s, and %(slots)s.")
        text %= {"number": number(queue.depth), "queue": task.queue, "slots": _slots(taking)}
        yield Reason("in_line", text, *link)


def _unmeasured(task: Task, queue: Queue | None) -> str:
    if queue is None:
        text = gettext("Nobody has measured %(queue)s: whether it still lies there is not known. Look at its workers.")
        return text % {"queue": task.queue}
    text = gettext(
        "Nobody has measured %(queue)s for %(span)s: whether it still lies there is not known. Look at its workers."
    )
    return text % {"queue": task.queue, "span": _ago(queue.measured_at)}


def _busy(task: Task, busy: int, slots: int, taking: Sequence[Worker]) -> str:
    text = ngettext(
        "All slots that serve %(queue)s are busy: %(busy)s of %(slots)s on %(workers)s worker. "
        "The longest runs %(longest)s. Add slots or workers, or find what keeps them.",
        "All slots that serve %(queue)s are busy: %(busy)s of %(slots)s on %(workers)s workers. "
        "The longest runs %(longest)s. Add slots or workers, or find what keeps them.",
        len(taking),
    )
    told = {"busy": number(busy), "slots": number(slots), "workers": number(len(taking))}
    return text % {"queue": task.queue, "longest": _longest(taking), **told}


def _limited(task: Task) -> Iterator[Reason]:
    """A rate limit that was set from here. What the code itself sets, its worker does not tell."""
    newest = Operation.objects.filter(environment=task.environment_id).order_by("-id").values("pk")[:ASKED]
    asked = Operation.objects.filter(pk__in=newest, action="worker.rate_limit").values("pk")
    limits = Command.objects.filter(operation__in=asked, engine=task.engine, verb="rate_limit", params__name=task.name)
    limit = limits.filter(items__outcome=ItemOutcome.DONE).select_related("operation").order_by("-created_at").first()
    rate = str(limit.params.get("rate") or "0") if limit else "0"
    if limit is not None and rate.partition("/")[0] not in ("0", ""):
        text = gettext(
            "%(who)s limited %(name)s to %(rate)s %(span)s ago: what comes faster waits in its worker. "
            "Set another limit to change that."
        )
        told = {"who": limit.operation.actor_name, "name": task.name, "rate": rate, "span": _ago(limit.created_at)}
        yield Reason("rate_limit", text % told)


def _is_due_later(task: Task) -> bool:
    return task.eta is not None and task.eta > timezone.now()


def _slots(workers: Sequence[Worker]) -> str:
    busy, slots = sum(len(worker.running) for worker in workers), sum(worker.size for worker in workers)
    told = {"busy": number(busy), "slots": number(slots)}
    if slots == 1:
        return ngettext("%(busy)s of %(slots)s slot is busy", "%(busy)s of %(slots)s slot are busy", busy) % told
    return ngettext("%(busy)s of %(slots)s slots is busy", "%(busy)s of %(slots)s slots are busy", busy) % told


def _longest(workers: Sequence[Worker]) -> str:
    """`shop.pay, for 6 min`: of all that run there, what began first."""
    running = [entry for worker in workers for entry in worker.running]
    first = min(running, key=lambda entry: entry.get("started") or 2**63)
    name, started = first.get("name") or gettext("a task"), first.get("started")
    if not isinstance(started, int):
        return str(name)
    return gettext("%(name)s, for %(span)s") % {"name": name, "span": _ago(EPOCH + timedelta(microseconds=started))}


def _ago(moment: datetime) -> str:
    return _span(timezone.now() - moment)


def _span(time: timedelta) -> str:
    """In one unit: exact enough for somebody who waits."""
    return level(max(time, timedelta(seconds=1)) / timedelta(milliseconds=1))


def _clock(moment: datetime) -> str:
    clock = f"{moment:%H:%M:%S} UTC"
    if moment.date() == timezone.now().date():
        return clock
    return gettext("%(clock)s on %(day)s") % {"clock": clock, "day": date_format(moment, gettext("j M"))}

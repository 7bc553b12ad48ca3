"""Reading tasks: lists, one task, and what may be done to it. What is around one: see `relatives`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404
from z4j_core import wire

from z4j_brain.audit import queries as audit
from z4j_brain.lib.capped import Count
from z4j_brain.operations import queries as operations
from z4j_brain.rbac import access
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.access import Held
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission
from z4j_brain.tasks import counts, narrowing, pagination
from z4j_brain.tasks.availability import VERBS, Availability, availability
from z4j_brain.tasks.counts import Counts
from z4j_brain.tasks.models import Event, Task
from z4j_brain.tasks.narrowing import SAME_ID, Narrowing
from z4j_brain.tasks.pagination import TaskPage
from z4j_brain.tasks.states import TaskState
from z4j_brain.tasks.timeline import Attempt, Station, timeline

__all__ = [
    "VERBS",
    "Attempt",
    "Availability",
    "Held",
    "Station",
    "availability",
    "count",
    "detail",
    "events",
    "everything",
    "hello",
    "kinds",
    "late",
    "looked_up",
    "page",
    "sees_payload",
    "tasks",
    "timeline",
    "touched",
]


#: Columns that only a task's own page shows.
LONG = ("args", "kwargs", "result", "traceback", "truncated", "fold_key")
#: Columns that `VIEW_PAYLOAD` guards.
PAYLOAD = ("args", "kwargs", "result", "error_message", "traceback")


def tasks(actor: Actor, environment: Environment) -> QuerySet[Task]:
    """The environment's tasks without their long texts. `retried_as` is the task id of the newest retry, or None."""
    held = access.permissions(actor, environment)
    return _with_retries(rbac.within(Task.objects.all(), actor, environment), held).defer(*LONG)


def detail(actor: Actor, environment: Environment, pk: int) -> Task:
    """One task with everything; Http404 when it is not there or not to be seen."""
    rows = rbac.within(Task.objects.select_related("environment__project"), actor, environment)
    found = _with_retries(rows.filter(pk=pk), access.permissions(actor, environment)).first()
    if found is None:
        raise Http404
    return found


def sees_payload(actor: Actor, task: Task) -> bool:
    """May the actor see its (redacted) arguments, results, messages and tracebacks?"""
    return rbac.may(actor, Permission.VIEW_PAYLOAD, task)


def events(task: Task) -> QuerySet[Event]:
    """What agents reported about a task that the actor was already shown."""
    return Event.objects.filter(task=task).select_related("agent")


def late(task: Task) -> frozenset[str]:
    """What of its events the brain had to hide something in, since an agent had not: `args`, `error`, ..."""
    told = Event.objects.filter(task=task, data__has_key="late").values_list("data", flat=True)[:SAME_ID]
    return frozenset(name for data in told if isinstance(data["late"], list) for name in map(str, data["late"]))


def hello(environment_id: int, engine: str, task_id: str) -> Task | None:
    """The hello of an agent's doctor by this id, for the gateway; None for any other task."""
    found = Task.objects.filter(environment=environment_id, engine=engine, task_id=task_id).first()
    return found if found is not None and wire.HELLO_NAME.fullmatch(found.name) else None


def kinds(task: Task) -> list[str]:
    """What agents reported about a task, in the order of arrival."""
    return list(Event.objects.filter(task=task).order_by("id").values_list("kind", flat=True)[:SAME_ID])


def page(environment: Environment, wanted: Narrowing, cursor: str | None, size: int, held: Held) -> TaskPage:
    """A page of the tasks `wanted`, newest first; an empty one for whoever does not hold `VIEW` there."""
    if Permission.VIEW not in held:
        return TaskPage([], None, None)
    payload = Permission.VIEW_PAYLOAD in held
    return pagination.page(environment, seen(wanted, held), _rows(environment, held), cursor, size, payload=payload)


def looked_up(environment: Environment, wanted: Narrowing, held: Held) -> Narrowing:
    """What is wanted, with its search looked up: for a page that both lists and counts."""
    return narrowing.looked_up(environment, wanted, payload=Permission.VIEW_PAYLOAD in held)


def everything(environment: Environment, wanted: Narrowing, held: Held) -> Iterator[list[Task]]:
    """All the tasks `wanted`, newest first, in steps that each cost the same, with their arguments and results."""
    if Permission.VIEW not in held:
        return iter(())
    rows = _rows(environment, held, defer=("traceback", "truncated", "fold_key", "vault"))
    return pagination.everything(environment, seen(wanted, held), rows, payload=Permission.VIEW_PAYLOAD in held)


def count(environment: Environment, wanted: Narrowing, held: Held) -> Counts:
    """How many tasks `wanted` is about in each state, whatever state it names."""
    if Permission.VIEW not in held:
        return Counts(dict.fromkeys(TaskState, Count(0, False)))
    return counts.counts(environment, seen(wanted, held), payload=Permission.VIEW_PAYLOAD in held)


def seen(wanted: Narrowing, held: Held) -> Narrowing:
    """Of what is wanted, what grants let the actor see."""
    condition = held.condition(Task.FACETS)
    return replace(wanted, other=wanted.other & condition) if condition else wanted


def _rows(environment: Environment, held: Held, defer: Sequence[str] = LONG) -> pagination.Fetch:
    """Reads tasks of a list by id."""

    def fetch(ids: Sequence[int]) -> list[Task]:
        if not ids:
            return []
        found = Task.objects.filter(environment=environment, pk__in=ids)
        return list(_with_retries(found, held).defer(*defer))

    return fetch


def touched(task: Task) -> list[audit.Touch]:
    """Who touched this task: entries about it, and about the operations that took it in."""
    asked = operations.touching(task.environment, "task", [str(task.pk)])
    targets = [("operation", str(item.operation_id)) for item in asked]
    return audit.touched_any(task.environment, [("task", str(task.pk)), *targets])


def _with_retries(queryset: QuerySet[Task], held: Held) -> QuerySet[Task]:
    """With the newest retry of each that the actor sees."""
    newest = (
        Task.objects.filter(environment=OuterRef("environment"), retry_of=OuterRef("task_id"))
        .filter(engine=OuterRef("engine"))
        .filter(held.condition(Task.FACETS))
        .exclude(retry_of="")  # says what the partial index says, so that it is used
        .order_by("-id")
        .values("task_id")[:1]
    )
    return queryset.annotate(retried_as=Subquery(newest))

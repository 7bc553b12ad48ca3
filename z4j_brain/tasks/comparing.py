"""One run of a task beside another: what they differ in, and what they have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from django.db.models import Q
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy

from z4j_brain.fleet.models import Worker
from z4j_brain.lib import ids
from z4j_brain.lib.words import duration, uncapped
from z4j_brain.rbac import access
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission
from z4j_brain.tasks import masking, queries, values, walk
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.states import TaskState
from z4j_brain.tasks.walk import By, Condition, Place

#: Finds, each of so many rows as the walk looks at, before nobody looks on for a good run.
FINDS: Final = 8
#: By how much, and how many times, two durations differ before a word is said about it; and when it is much.
_NOTICED: Final = timedelta(milliseconds=50)
_APART, _MUCH = 1.5, 100
#: What is guarded: its label, its column, and what `masking` calls it.
_GUARDED: Final = (
    (pgettext_lazy("arguments", "Positional"), "args", "args"),
    (pgettext_lazy("arguments", "By name"), "kwargs", "kwargs"),
    (gettext_lazy("Result"), "result", "result"),
    (gettext_lazy("Message"), "error_message", "message"),
)
_RESTARTED: Final = gettext_lazy("not known, its worker was restarted since")
#: Runs by one id of an engine: of several engines.
_ALIKE: Final = 10


@dataclass(frozen=True, slots=True)
class Fact:
    """What both runs tell of one thing. `note`: how they differ."""

    label: str
    here: str
    there: str
    note: str = ""
    is_code: bool = False

    @property
    def differs(self) -> bool:
        return self.here != self.there


@dataclass(frozen=True, slots=True)
class Value:
    """A guarded value of both: the text, where it is shown, and else what kind of thing it is."""

    label: str
    here: str
    there: str
    here_hidden: masking.Hidden | None
    there_hidden: masking.Hidden | None
    shown: bool

    @property
    def differs(self) -> bool:
        """Told of what is shown alone: what is hidden says nothing, not even that it is the same."""
        return self.here != self.there if self.shown else False


@dataclass(frozen=True, slots=True)
class Comparison:
    here: Task
    there: Task
    facts: list[Fact] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)

    @property
    def differences(self) -> list[Fact]:
        return [fact for fact in self.facts if fact.differs]

    @property
    def same(self) -> list[Fact]:
        return [fact for fact in self.facts if not fact.differs and fact.here]

    @property
    def words(self) -> str:
        """In what they differ, for the head of the page."""
        names = [uncapped(fact.label) for fact in self.differences]
        names += [uncapped(value.label) for value in self.values if value.differs]
        if not names:
            return gettext("No fact differs.")
        if not names[1:]:
            return gettext("They differ in %(name)s.") % {"name": names[0]}
        told = {"names": ", ".join(names[:-1]), "last": names[-1]}
        return gettext("They differ in %(names)s and %(last)s.") % told


def last_good(actor: Actor, task: Task) -> tuple[Task | None, int]:
    """The newest run of its name before it that succeeded; else None, and among how many none did. 0: among all."""
    held = access.permissions(actor, task.environment)
    wanted = Q(state=TaskState.SUCCEEDED, engine=task.engine) & held.condition(Task.FACETS)
    condition, start, looked = Condition.of(wanted), task.pk, 0
    for _ in range(FINDS):
        found = walk.find(task.environment_id, [By("name", task.name)], condition, Place(start), 1)
        if found.ids:
            return queries.detail(actor, task.environment, found.ids[0]), 0
        if found.edge is None:
            return None, 0
        start, looked = found.edge, looked + found.looked
    return None, looked


def chosen(actor: Actor, place: Environment, text: str) -> Task | None:
    """The run by this id: of the engine, or ours."""
    found = [*values.with_task_id(place, [text], _ALIKE), *ids.numbers([text])]
    rows = rbac.within(Task.objects.select_related("environment__project"), actor, place)
    return rows.filter(pk__in=found).order_by("-pk").first()


def compared(actor: Actor, here: Task, there: Task, *, shown: bool) -> Comparison:
    """With guarded values where both are `shown` to the actor, who may see them."""
    permitted = all(rbac.may(actor, Permission.VIEW_PAYLOAD, task) for task in (here, there))
    found = Comparison(here, there, list(_facts(here, there)), list(_values(here, there, shown and permitted)))
    for task in (here, there):
        for name in queries.PAYLOAD:
            setattr(task, name, "")
    return found


def _facts(here: Task, there: Task) -> Iterator[Fact]:
    def both(label: str, tell: Any, *, is_code: bool = False) -> Fact:
        return Fact(label, tell(here), tell(there), is_code=is_code)

    yield both(gettext("State"), lambda task: task.get_state_display())
    yield both(gettext("Error"), lambda task: task.error_type, is_code=True)
    yield both(gettext("Task"), lambda task: task.name)
    yield both(gettext("Engine"), lambda task: task.engine)
    yield both(gettext("Queue"), lambda task: task.queue)
    yield both(gettext("Worker"), lambda task: task.worker)
    yield Fact(gettext("Code version"), *_codes(here, there))
    yield _lasted(gettext("Waited"), here.waited, there.waited)
    yield _lasted(gettext("Ran"), here.ran, there.ran)
    yield both(gettext("Attempts"), _attempts)
    yield both(gettext("Priority"), lambda task: "" if task.priority is None else str(task.priority))
    yield both(gettext("Schedule"), lambda task: task.schedule)
    yield both(gettext("Was cut"), lambda task: ", ".join(task.truncated))


def _attempts(task: Task) -> str:
    told = {"given": task.attempt + 1, "needed": task.max_attempts}
    return gettext("%(given)s of %(needed)s") % told if task.max_attempts else str(task.attempt + 1)


def _lasted(label: str, here: timedelta | None, there: timedelta | None) -> Fact:
    return Fact(label, duration(here), duration(there), _times(here, there))


def _times(here: timedelta | None, there: timedelta | None) -> str:
    """How much longer one took than the other, where that is worth a word."""
    if here is None or there is None:
        return ""
    short, long = sorted((here, there))
    if long - short < _NOTICED or long < _APART * short:
        return ""
    if long > _MUCH * short:
        return gettext("much longer") if here > there else gettext("much shorter")
    told = {"times": f"{long / short:.1f}"}
    if here > there:
        return gettext("%(times)s times as long") % told
    return gettext("the other took %(times)s times as long") % told


def _codes(here: Task, there: Task) -> tuple[str, str]:
    """The release that each one's worker runs, if it has been running since before it took the task."""
    wanted = {(task.engine, task.worker) for task in (here, there) if task.worker}
    found = Worker.objects.filter(environment=here.environment_id, name__in={name for _, name in wanted})
    known = {(worker.engine, worker.name): worker for worker in found}
    return _code(here, known), _code(there, known)


def _code(task: Task, known: dict[tuple[str, str], Worker]) -> str:
    worker = known.get((task.engine, task.worker))
    if worker is None or not worker.code:
        return ""
    return worker.code_since(task.started_at or task.last_at) or str(_RESTARTED)


def _values(here: Task, there: Task, shown: bool) -> Iterator[Value]:
    kinds, other_kinds = masking.kinds(here), masking.kinds(there)
    for label, name, kind in _GUARDED:
        text, other_text = (str(getattr(task, name)) if shown else "" for task in (here, there))
        yield Value(str(label), text, other_text, kinds[kind], other_kinds[kind], shown)

"""Schedules, and schedulers that are to be given one, as targets of operations."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from z4j_brain.lib import timing
from z4j_brain.lib.ids import numbers
from z4j_brain.operations import queries as operations
from z4j_brain.operations.models import Operation
from z4j_brain.operations.states import LeftOut
from z4j_brain.operations.targets import Candidate, Resolved
from z4j_brain.operations.verbs import Verb
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.reach import Facets
from z4j_brain.schedules import due, wishes
from z4j_brain.schedules.filters import ScheduleFilter
from z4j_brain.schedules.models import Run, Schedule, Scheduler
from z4j_brain.schedules.serving import Answering, Verdict
from z4j_brain.schedules.states import OWN
from z4j_brain.schedules.verbs import DELETE, DISABLE, EDIT, ENABLE, KIND, RUN, SCHEDULER

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Options = Mapping[str, Any]
#: Of two of these that wait, the later counts.
_OPPOSITE = {ENABLE.name: (DISABLE.name,), DISABLE.name: (ENABLE.name,)}
#: What the panel's list calls a filter of the API.
_FILTERS = {"q": "search"}
_GONE = gettext_lazy("It is no longer known here.")
#: The longest key that a schedule may be made with: with its source before it, it names a target.
LONGEST_KEY = 200


class _Kind:
    gone: ClassVar[StrOrPromise] = _GONE

    def facets_of(self, one: Candidate) -> Facets | None:
        return Facets(one.facets.get("queue", ""), one.facets.get("task", ""))

    def arrived(self, environment_id: int, engine: str, task_ids: Collection[str]) -> set[str]:
        runs = Run.objects.filter(environment=environment_id, engine=engine, task_id__in=set(task_ids) - {""})
        return set(runs.values_list("task_id", flat=True))

    def of_engine(self, environment: Environment, made: Sequence[tuple[str, str]]) -> list[str]:
        return []


class Schedules(_Kind):
    """Those of schedulers are changed by their agents; our own here, and only their tasks are sent by agents."""

    name: ClassVar[str] = KIND
    plural: ClassVar[str] = "schedules"

    def of_address(self, query: Mapping[str, str]) -> dict[str, str]:
        return {_FILTERS.get(name, name): value for name, value in query.items()}

    def select(self, environment: Environment, actor: Actor, given: Options, most: int) -> list[str]:
        told = {name: _told(value) for name, value in given.items()}
        here = rbac.within(Schedule.objects.all(), actor, environment)
        narrowed = ScheduleFilter(told, here, environment=environment).narrowed()
        return [str(pk) for pk in narrowed.order_by("pk").values_list("pk", flat=True)[:most]]

    def known(self, environment: Environment, ids: Sequence[str]) -> set[str]:
        return {str(pk) for pk in _of(environment, ids).values_list("pk", flat=True)}

    def candidates(
        self, environment: Environment, actor: Actor, verb: Verb, ids: Sequence[str], options: Options
    ) -> Iterator[Candidate]:
        rows = {str(row.pk): row for row in _held(environment, ids)}
        return judge(environment, verb, ids, rows, Answering.of(environment, rows.values()), options)

    def resolve(self, environment_id: int, ids: Collection[str]) -> dict[str, Resolved]:
        """As agents know it: by its key; of our own they know the task that is to be run."""
        rows = _of(environment_id, ids).values_list("pk", "source", "key", "task")
        return {str(pk): Resolved(str(pk), "", name=task if source == OWN else key) for pk, source, key, task in rows}


def judge(
    environment: Environment,
    verb: Verb,
    ids: Sequence[str],
    rows: Mapping[str, Schedule],
    answering: Answering,
    options: Options,
) -> Iterator[Candidate]:
    """Each of the ids, in their order. `rows`: by their ids, those that are there; `answering` knows their agents."""
    asked = _open(environment, verb, ids)
    for pk in ids:
        row = rows.get(pk)
        if row is None:
            yield Candidate(pk, "", "", left_out=LeftOut.GONE, why=str(_GONE))
            continue
        found = _own(row, verb, answering) if row.source == OWN else _native(row, verb, answering, options)
        yield _asked(asked, _waiting(found, options))


class Schedulers(_Kind):
    """A schedule that is to be made is `<source>/<key>`."""

    name: ClassVar[str] = SCHEDULER
    plural: ClassVar[str] = "schedules"

    def of_address(self, query: Mapping[str, str]) -> dict[str, str]:
        return {}

    def select(self, environment: Environment, actor: Actor, given: Options, most: int) -> list[str]:
        return []

    def known(self, environment: Environment, ids: Sequence[str]) -> set[str]:
        sources = self._sources(environment, {_parts(pk)[0] for pk in ids})
        return {pk for pk in ids if _parts(pk)[0] in sources and 0 < len(_parts(pk)[1]) <= LONGEST_KEY}

    def candidates(
        self, environment: Environment, actor: Actor, verb: Verb, ids: Sequence[str], options: Options
    ) -> Iterator[Candidate]:
        known, answering, asked = self.known(environment, ids), Answering(environment), _open(environment, verb, ids)
        for pk in ids:
            source, key = _parts(pk)
            if pk not in known:
                why = gettext("No agent has told of such a scheduler here.")
                yield Candidate(pk, "", "", left_out=LeftOut.GONE, why=why)
                continue
            verdict = _taken(environment, source, key) or answering.obstacle(source, verb.asks, verb)
            facets = {"source": source, "task": str(options.get("task", "")), "queue": str(options.get("queue", ""))}
            found = Candidate(
                pk, key, source, left_out=verdict[0] if verdict else None, why=verdict[1] if verdict else "",
                facets=facets, identity=("", key, "", ""), params=wishes.made(options),
            )  # fmt: skip
            yield _asked(asked, _waiting(found, options))

    def resolve(self, environment_id: int, ids: Collection[str]) -> dict[str, Resolved]:
        return {pk: Resolved(pk, "", name=_parts(pk)[1]) for pk in ids}

    def _sources(self, environment: Environment, wanted: Collection[str]) -> set[str]:
        """Of which a schedule or a process was told of here. Our own are made here, not by an agent."""
        found: set[str] = set()
        for model in (Scheduler, Schedule):
            here = model._default_manager.filter(environment=environment, source__in=set(wanted) - {OWN})
            found |= set(here.order_by().values_list("source", flat=True).distinct())
        return found


def _native(row: Schedule, verb: Verb, answering: Answering, options: Options) -> Candidate:
    """Asked of an agent that speaks for its scheduler: of the one that told of it, if that can."""
    if row.gone_at is not None:
        return _of_gone(row, verb)
    verdict = _refused(row, verb) or answering.obstacle(row.source, verb.asks, verb)
    return Candidate(
        str(row.pk),
        row.key,
        row.source,
        answering.able(row.source, verb.asks, row.agent_id),
        left_out=verdict[0] if verdict else None,
        why=verdict[1] if verdict else "",
        facets=_facets(row),
        at=row.next_at,
        identity=("", row.key, "", ""),
        params=wishes.changed(row, options) if verb is EDIT else {},
    )


def _of_gone(row: Schedule, verb: Verb) -> Candidate:
    """What its scheduler has no more can be forgotten here, and nothing else."""
    found = Candidate(str(row.pk), row.key, row.source, facets=_facets(row), at=row.next_at)
    if verb is DELETE:
        return replace(found, within=True)
    why = gettext("%(source)s has it no more. Make it there again, or delete what is left of it here.")
    return replace(found, left_out=LeftOut.VANISHED, why=why % {"source": row.source})


def _own(row: Schedule, verb: Verb, answering: Answering) -> Candidate:
    """Changed here; its task is sent by whoever can send one for its engine."""
    found = Candidate(str(row.pk), row.key, row.engine, facets=_facets(row), at=row.next_at)
    if verb is EDIT:
        why = gettext("z4j keeps it itself: change it on its own page, or by PATCH of its address.")
        return replace(found, left_out=LeftOut.UNSUPPORTED, why=why)
    if verb is ENABLE and not _is_due(row):
        why = gettext("Its time has passed: give it another one first.")
        return replace(found, left_out=LeftOut.ALREADY_FINAL, why=why)
    if verb is not RUN:
        return replace(found, within=True)
    verdict = answering.obstacle(row.engine, "run", verb)
    return replace(
        found,
        left_out=verdict[0] if verdict else None,
        why=verdict[1] if verdict else "",
        identity=("", row.task, "", ""),
        asks="run",
        params=wishes.run(row),
    )


def _is_due(row: Schedule) -> bool:
    """At any time from now on."""
    plan = due.plan(row)
    return plan is not None and timing.next_after(plan, timezone.now()) is not None


def _refused(row: Schedule, verb: Verb) -> Verdict:
    """Why its scheduler cannot do this to this one."""
    why = row.cannot.get(verb.asks) if isinstance(row.cannot, dict) else None
    return (LeftOut.UNSUPPORTED, str(why)) if why else None


def _taken(environment: Environment, source: str, key: str) -> Verdict:
    there = Schedule.objects.filter(environment=environment, source=source, key=key, gone_at=None)
    why = gettext("%(source)s has a schedule %(name)s already.") % {"source": source, "name": key}
    return (LeftOut.UNSUPPORTED, why) if there.exists() else None


def _waiting(found: Candidate, options: Options) -> Candidate:
    """Left out for want of an agent it is not, where it is to wait for one."""
    if found.left_out == LeftOut.AGENT_OFFLINE and options.get("wait"):
        return replace(found, left_out=None, waits=True)
    return found


def _open(environment: Environment, verb: Verb, ids: Sequence[str]) -> dict[str, Operation]:
    """Targets of which the same was asked last, and is waited for. Disabled between twice enabled is no repetition."""
    newest = operations.asked_already(environment, (verb.name, *_OPPOSITE.get(verb.name, ())), ids)
    return {target: asked for (target, _), asked in newest.items() if asked.action == verb.name}


def _asked(asked: Mapping[str, Operation], found: Candidate) -> Candidate:
    before = asked.get(found.id)
    if before is None:
        return found
    why = gettext("%(name)s has asked for it already, in operation %(id)s.")
    why %= {"name": before.actor_name, "id": before.pk}
    return replace(found, left_out=LeftOut.ALREADY_ASKED, why=why, waits=False)


def _facets(row: Schedule) -> dict[str, str]:
    return {"source": row.source, "engine": row.engine, "task": row.task, "queue": row.queue}


def _parts(pk: str) -> tuple[str, str]:
    source, _, key = pk.partition("/")
    return source, key


def _told(value: Any) -> str:
    """A value of a filter as an address would write it."""
    if isinstance(value, list):
        return ",".join(map(_told, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _of(environment: Environment | int, ids: Collection[str]) -> QuerySet[Schedule]:
    return Schedule.objects.filter(environment=environment, pk__in=numbers(ids))


def _held(environment: Environment, ids: Collection[str]) -> QuerySet[Schedule]:
    """In a transaction they are locked: of two who ask the same of them, the second sees what the first did."""
    found = _of(environment, ids).order_by("pk")
    return found.select_for_update(of=("self",)) if connection.in_atomic_block else found

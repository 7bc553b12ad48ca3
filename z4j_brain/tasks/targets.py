"""Tasks as targets of operations: which a filter means, what is to be done about each, and how an agent knows them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext, gettext_lazy

from z4j_brain.agents import queries as agents
from z4j_brain.fleet import queries as fleet
from z4j_brain.fleet.repertoires import Knowing
from z4j_brain.fleet.targets import Registrations
from z4j_brain.lib import signature
from z4j_brain.lib.bulk import batched
from z4j_brain.lib.ids import numbers
from z4j_brain.lib.problem import Fault, Problem
from z4j_brain.operations import queries as operations
from z4j_brain.operations.serving import Serving
from z4j_brain.operations.states import ItemOutcome, LeftOut
from z4j_brain.operations.targets import Candidate, Resolved
from z4j_brain.operations.verbs import Verb
from z4j_brain.rbac import access
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.reach import Facets
from z4j_brain.rbac.states import Permission
from z4j_brain.tasks import judging, originals, pagination, queries
from z4j_brain.tasks.filters import TaskFilter
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.narrowing import too_wide
from z4j_brain.tasks.query_string import View
from z4j_brain.tasks.states import TERMINAL
from z4j_brain.tasks.verbs import COPIES, ENGINE, KIND, REVEAL

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

#: Tasks that are read in one query.
STEP = 1_000
#: Characters of an engine's name.
_ENGINE = 32
#: Verbs that make another task of it, and their actions: who asks for one has as good as asked for the other.
_COPYING = ("retry", "retry_with")
#: And those that need the original of a task.
_OPENING = (*_COPYING, REVEAL.asks)


class _Row(NamedTuple):
    id: int
    task_id: str
    engine: str
    name: str
    queue: str
    state: str
    worker: str
    vault: str
    error_type: str
    first_at: datetime
    finished_at: datetime | None


class Tasks:
    """Tasks by our ids, as text."""

    name: ClassVar[str] = KIND
    plural: ClassVar[str] = "tasks"
    gone: ClassVar[StrOrPromise] = gettext_lazy("It is no longer kept: its days are over.")

    def facets_of(self, one: Candidate) -> Facets | None:
        return Facets(one.facets.get("queue", ""), one.facets.get("name", ""))

    def of_address(self, query: Mapping[str, str]) -> dict[str, str]:
        return View.of(query).filter

    def select(self, environment: Environment, actor: Actor, given: Mapping[str, Any], most: int) -> list[str]:
        told = {name: _told(value) for name, value in given.items()}
        narrowing = TaskFilter(told, environment=environment).narrowing()
        if narrowing.search and too_wide(environment, narrowing.search):
            detail = gettext(
                "So many names have this in them that some would be left out. Name the tasks by name or queue."
            )
            fault = Fault(pointer="search", detail=detail)
            raise Problem(422, "too_many", gettext("Too wide a search"), detail, [fault])
        held = access.permissions(actor, environment)
        narrowing, payload = queries.seen(narrowing, held), Permission.VIEW_PAYLOAD in held
        found: list[str] = []
        for ids in pagination.every_id(environment, narrowing, payload=payload):
            found += map(str, ids)
            if len(found) >= most:
                break
        return found[:most]

    def known(self, environment: Environment, ids: Sequence[str]) -> set[str]:
        here = Task.objects.filter(environment=environment)
        return {
            str(pk)
            for step in batched(numbers(ids), STEP)
            for pk in here.filter(pk__in=step).values_list("pk", flat=True)
        }

    def candidates(
        self, environment: Environment, actor: Actor, verb: Verb, ids: Sequence[str], options: Mapping[str, Any]
    ) -> Iterator[Candidate]:
        rows = {str(row.id): row for step in batched(numbers(ids), STEP) for row in _rows(environment, step)}
        judge = _Judge(environment, verb, options, list(rows.values()))
        for pk in ids:
            row = rows.get(pk)
            gone = Candidate(pk, "", "", left_out=LeftOut.GONE, why=str(self.gone))
            yield judge.candidate(row) if row else gone

    def resolve(self, environment_id: int, ids: Collection[str]) -> dict[str, Resolved]:
        rows = Task.objects.filter(environment_id=environment_id, pk__in=numbers(ids))
        return {
            str(pk): Resolved(str(pk), task_id, name, queue, vault=vault, final=state if state in TERMINAL else "")
            for pk, task_id, name, queue, vault, state in rows.values_list(
                "pk", "task_id", "name", "queue", "vault", "state"
            )
        }

    def arrived(self, environment_id: int, engine: str, task_ids: Collection[str]) -> set[str]:
        return arrived(environment_id, engine, task_ids)

    def of_engine(self, environment: Environment, made: Sequence[tuple[str, str]]) -> list[str]:
        here, wanted = Task.objects.filter(environment=environment), set(made)
        found = [
            pk
            for step in batched(made, STEP)
            for pk, *one in here.filter(task_id__in=[pk for _, pk in step]).values_list("pk", "engine", "task_id")
            if tuple(one) in wanted
        ]
        return [str(pk) for pk in sorted(found)]


class Engines:
    """A hello is for no task yet."""

    name: ClassVar[str] = ENGINE
    plural: ClassVar[str] = "engines"
    gone: ClassVar[StrOrPromise] = gettext_lazy("No agent has told of it.")

    def facets_of(self, one: Candidate) -> Facets | None:
        return None

    def of_address(self, query: Mapping[str, str]) -> dict[str, str]:
        return {}

    def select(self, environment: Environment, actor: Actor, given: Mapping[str, Any], most: int) -> list[str]:
        return [reach.engine for reach in agents.engines(actor, environment)][:most]

    def known(self, environment: Environment, ids: Sequence[str]) -> set[str]:
        return {engine for engine in ids if 0 < len(engine) <= _ENGINE}

    def candidates(
        self, environment: Environment, actor: Actor, verb: Verb, ids: Sequence[str], options: Mapping[str, Any]
    ) -> Iterator[Candidate]:
        serving = Serving(environment, verb)
        for engine in ids:
            left, why = serving.obstacle(engine) or (None, "")
            if left == LeftOut.AGENT_OFFLINE:  # it waits for one: that none answers is what a hello finds out
                left, why = None, ""
            yield Candidate(engine, engine, engine, left_out=left, why=why)

    def resolve(self, environment_id: int, ids: Collection[str]) -> dict[str, Resolved]:
        return {engine: Resolved(engine, "") for engine in ids}

    def arrived(self, environment_id: int, engine: str, task_ids: Collection[str]) -> set[str]:
        return arrived(environment_id, engine, task_ids)

    def of_engine(self, environment: Environment, made: Sequence[tuple[str, str]]) -> list[str]:
        return []


class Runs(Registrations):
    """Task names that workers know: what came of running one is a task."""

    def arrived(self, environment_id: int, engine: str, task_ids: Collection[str]) -> set[str]:
        return arrived(environment_id, engine, task_ids)


def arrived(environment_id: int, engine: str, task_ids: Collection[str]) -> set[str]:
    rows = Task.objects.filter(environment_id=environment_id, engine=engine, task_id__in=list(task_ids))
    return set(rows.values_list("task_id", flat=True))


class _Judge:
    """Judges tasks that were read together, with what is known of all of them at once."""

    def __init__(self, environment: Environment, verb: Verb, options: Mapping[str, Any], rows: Sequence[_Row]) -> None:
        self._environment, self._verb, self._options = environment, verb, options
        self._judge = judging.VERDICTS[verb.asks]
        self._signature = cache(partial(fleet.signature_of, environment))
        running = {(row.engine, row.worker) for row in rows if row.worker} if verb.asks == "cancel" else set()
        self._runners = fleet.agents_of(environment, running)
        vaults = {row.vault for row in rows} if verb.asks in _OPENING else set()
        self._serving = Serving(environment, verb, vaults, set(self._runners.values()))
        self._engines = {row.engine for row in rows}
        self._asked: dict[str, UUID] = {}
        self._retried: dict[tuple[str, str], str] = {}
        self._remade: dict[str, str] = {}
        self._denied: dict[str, str] = {}
        self._kids: dict[int, str] = {}
        for step in batched(rows, STEP):
            for one in operations.past(environment, KIND, [str(row.id) for row in step]):
                self._remember(one)
            if verb.asks in _COPYING:
                self._retried |= retried(environment, [row.task_id for row in step])
            if verb.asks in _OPENING:
                self._kids |= originals.kids([row.id for row in step])
        self._asking = operations.among(environment, set(self._asked.values()))

    def _remember(self, one: operations.Past) -> None:
        same = COPIES if self._verb.asks in _COPYING else (self._verb.name,)
        if one.outcome is None and one.action in same:
            self._asked[one.target_id] = one.operation_id
        if one.outcome == ItemOutcome.DONE and one.new_task_id and one.action in COPIES:
            self._remade[one.target_id] = one.new_task_id
        if one.outcome == ItemOutcome.ARGS_UNAVAILABLE and one.action != REVEAL.name:
            self._denied[one.target_id] = one.detail

    def _again(self, row: _Row) -> str | None:
        """As what it runs once more already, unless that is what is wanted."""
        if self._verb.asks not in _COPYING or self._options.get("again"):
            return None
        return self._retried.get((row.engine, row.task_id)) or self._remade.get(str(row.id))

    def candidate(self, row: _Row) -> Candidate:
        verdict = self._verdict(row)
        offline = verdict is not None and verdict[0] == LeftOut.AGENT_OFFLINE and bool(self._options.get("wait"))
        facets = {"name": row.name, "queue": row.queue, "engine": row.engine, "error": row.error_type}
        return Candidate(
            str(row.id),
            row.name or row.task_id,
            row.engine,
            self._audience(row),
            left_out=None if offline or verdict is None else verdict[0],
            why="" if verdict is None else verdict[1],
            facets=facets,
            at=row.finished_at or row.first_at,
            waits=offline,
            identity=(row.task_id, row.name, "", ""),
        )

    @cached_property
    def _knowing(self) -> Knowing:
        return Knowing(self._environment, self._engines)

    def _audience(self, row: _Row) -> UUID | None:
        """Who has its original, or runs it; else who knows the task where others do not."""
        runner = self._serving.able(row.engine, self._runners.get((row.engine, row.worker)))
        first = self._holder(row) if self._verb.asks in _OPENING else runner
        return first or self._knowing.agent(row.engine, row.name, self._serving.those)

    def _holder(self, row: _Row) -> UUID | None:
        """Who answers and has the original: in its vault, or the key of what is sealed here."""
        keeper = self._serving.keeper(row.engine, row.vault)
        return keeper or self._serving.opener(row.engine, self._kids.get(row.id, ""))

    def _verdict(self, row: _Row) -> judging.Verdict:
        if verdict := self._judge(row):
            return verdict
        if self._verb is REVEAL and row.id not in self._kids:
            why = gettext("No sealed original of it is kept here: there is nothing to reveal.")
            return LeftOut.ARGS_UNAVAILABLE, why
        if asked := self._asked.get(str(row.id)):
            told = {"who": self._asking[asked].actor_name, "operation": asked}
            return LeftOut.ALREADY_ASKED, gettext(
                "%(who)s has asked for it already, in operation %(operation)s."
            ) % told
        if again := self._again(row):
            why = gettext("Retried already, as %(id)s. Say “again” to run it once more.")
            return LeftOut.ALREADY_RETRIED, why % {"id": again}
        if verdict := self._serving.obstacle(row.engine):
            return verdict
        return self._of_arguments(row)

    def _of_arguments(self, row: _Row) -> judging.Verdict:
        if str(row.id) in self._denied and self._verb.asks == "retry" and not self._holder(row):
            return LeftOut.ARGS_UNAVAILABLE, self._denied[str(row.id)]
        if self._verb.asks != "retry_with":
            return None
        known = self._signature(row.engine, row.name)
        why = signature.misfit(known, self._options["args"], self._options["kwargs"]) if known is not None else ""
        return (LeftOut.WRONG_ARGUMENTS, f"{row.name}: {why}") if why else None


def retried(environment: Environment, task_ids: Sequence[str]) -> dict[tuple[str, str], str]:
    """Which of these tasks were retried, by engine and id, and the id of the newest retry."""
    rows = Task.objects.filter(environment=environment, retry_of__in=task_ids).exclude(retry_of="").order_by("id")
    return {(engine, retry_of): pk for engine, retry_of, pk in rows.values_list("engine", "retry_of", "task_id")}


def _told(value: Any) -> str:
    """A value of a filter as an address would write it."""
    if isinstance(value, list):
        return ",".join(map(_told, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _rows(environment: Environment, pks: Sequence[int]) -> list[_Row]:
    """In a transaction they are locked: what ingest says of them next comes after what is asked of them now."""
    found = Task.objects.filter(environment=environment, pk__in=pks).order_by("id")
    if connection.in_atomic_block:
        found = found.select_for_update(of=("self",))
    return [_Row(*row) for row in found.values_list(*_Row._fields)]

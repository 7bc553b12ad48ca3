"""Runs of z4j's own schedules as targets of the operations that fire them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from z4j_brain.lib.ids import numbers
from z4j_brain.operations import targets
from z4j_brain.operations.targets import Candidate, Resolved
from z4j_brain.operations.verbs import Verb
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.reach import Facets
from z4j_brain.schedules import dispatch
from z4j_brain.schedules.models import Run

#: The kind of target that knows which tasks were heard of.
_TASKS = "task"


class Firings:
    """Nobody asks for these: they are made when a schedule is due, and no verb is about them."""

    name: ClassVar[str] = dispatch.KIND
    plural: ClassVar[str] = "firings"
    gone: ClassVar[str] = "Its schedule was deleted."

    def facets_of(self, one: Candidate) -> Facets | None:
        return Facets(one.facets.get("queue", ""), one.facets.get("task", ""))

    def of_address(self, query: Mapping[str, str]) -> dict[str, str]:
        return {}

    def select(self, environment: Environment, actor: Actor, given: Mapping[str, Any], most: int) -> list[str]:
        return []

    def known(self, environment: Environment, ids: Sequence[str]) -> set[str]:
        rows = Run.objects.filter(environment=environment, pk__in=numbers(ids))
        return {str(pk) for pk in rows.values_list("pk", flat=True)}

    def candidates(
        self, environment: Environment, actor: Actor, verb: Verb, ids: Sequence[str], options: Mapping[str, Any]
    ) -> Iterator[Candidate]:
        rows = Run.objects.filter(environment=environment, pk__in=numbers(ids)).select_related("schedule")
        known = {str(run.pk): run.schedule for run in rows}
        for pk in ids:
            if schedule := known.get(pk):
                facets = {"queue": schedule.queue, "task": schedule.task}
                yield Candidate(pk, schedule.key, schedule.engine, facets=facets, identity=dispatch.identity(schedule))

    def resolve(self, environment_id: int, ids: Collection[str]) -> dict[str, Resolved]:
        rows = Run.objects.filter(environment=environment_id, pk__in=numbers(ids)).select_related("schedule")
        found = {}
        for run in rows:
            task_id, name, queue, worker = dispatch.identity(run.schedule)
            found[str(run.pk)] = Resolved(str(run.pk), task_id, name, queue, worker)
        return found

    def arrived(self, environment_id: int, engine: str, task_ids: Collection[str]) -> set[str]:
        """A run knows the id of its task before there is one: whoever keeps tasks is asked."""
        return targets.kind(_TASKS).arrived(environment_id, engine, task_ids)

    def of_engine(self, environment: Environment, made: Sequence[tuple[str, str]]) -> list[str]:
        return []

"""What can be done with schedules just now, verb by verb, and their last runs: for many at the cost of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404
from django.utils.translation import gettext

from z4j_brain.lib.problem import Fault, Problem
from z4j_brain.rbac import access
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.reach import Facets
from z4j_brain.schedules.models import Run, Schedule
from z4j_brain.schedules.serving import Answering
from z4j_brain.schedules.states import OWN
from z4j_brain.schedules.targets import judge
from z4j_brain.schedules.verbs import DELETE, DISABLE, EDIT, ENABLE, RUN

#: In the order in which they are told.
VERBS = (ENABLE, DISABLE, RUN, EDIT, DELETE)


@dataclass(frozen=True, slots=True)
class Capability:
    """`can`: it can be asked for now; else `why` not. `note`: what its scheduler says of how it does that."""

    can: bool
    why: str
    note: str


def detail(actor: Actor, environment: Environment, pk: int) -> Schedule:
    rows = rbac.within(Schedule.objects.select_related("environment__project"), actor, environment)
    found = rows.filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def stale(row: Schedule) -> Problem:
    detail = gettext("It was changed meanwhile: it is version %(version)s now. Read it once more, then change that.")
    detail %= {"version": row.version}
    return Problem(412, "changed", gettext("Changed meanwhile"), detail, [Fault(pointer="If-Match", detail=detail)])


def runs(row: Schedule) -> QuerySet[Run]:
    """For whoever sees the schedule."""
    return Run.objects.filter(schedule=row)


def is_taken(environment: Environment, source: str, key: str) -> bool:
    """Has this scheduler a schedule of this key, as far as anybody knows?"""
    return Schedule.objects.filter(environment=environment, source=source, key=key, gone_at=None).exists()


def capabilities(actor: Actor, environment: Environment, rows: Sequence[Schedule]) -> dict[int, dict[str, Capability]]:
    """By the keys of the rows, then by the words of the verbs."""
    held, answering = access.permissions(actor, environment), Answering.of(environment, rows)
    found: dict[int, dict[str, Capability]] = {row.pk: {} for row in rows}
    by_key = {str(row.pk): row for row in rows}
    for verb in VERBS:
        for one in judge(environment, verb, list(by_key), by_key, answering, {}):
            row = by_key[one.id]
            note = "" if row.source == OWN else answering.offer(row.source, verb.asks).note
            why = "" if verb is EDIT and row.source == OWN else one.why if one.left_out else ""
            if not held.covers(verb.permission, Facets(row.queue, row.task)) or verb.permission not in held:
                why = gettext("You may not %(do)s.") % {"do": verb.permission.label}
            found[row.pk][verb.word] = Capability(not why, why, note)
    return found


def last_runs(rows: Iterable[Schedule]) -> dict[int, Run]:
    """By the keys of the rows, those that have any."""
    newest = Run.objects.filter(schedule=OuterRef("pk")).order_by("-moment", "-pk").values("pk")[:1]
    of = Schedule.objects.filter(pk__in=[row.pk for row in rows]).annotate(newest=Subquery(newest))
    return {run.schedule_id: run for run in Run.objects.filter(pk__in=of.values("newest"))}

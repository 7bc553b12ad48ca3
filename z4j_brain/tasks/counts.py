"""How many tasks a list is about, by state, for a few milliseconds whatever their number.

What has ended is told by the statistics where they can tell it: of whole engines and queues, since a full five
minutes. What has not ended is counted in the rows, there is never much of it. Anything else is counted as far as a
budget of rows reaches, and says so: "431+".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q, QuerySet, Subquery
from django.utils import timezone

from z4j_brain.lib.capped import CAP, Count
from z4j_brain.rbac.models import Environment
from z4j_brain.stats import queries as stats
from z4j_brain.tasks import walk
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.narrowing import Narrowing, plan
from z4j_brain.tasks.states import TERMINAL, TaskState
from z4j_brain.tasks.walk import By, Condition, Place

#: Rows that one count looks at where nothing else can tell.
BUDGET = 700
#: Where every state is counted by its index, so far.
MANY = 2_500
LIVE = tuple(state for state in TaskState if state not in TERMINAL)
#: An agent's clock may be ahead of ours.
AHEAD = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Counts:
    """By state, for any state a list may be narrowed to."""

    states: Mapping[TaskState, Count]

    def of(self, state: TaskState | None) -> Count:
        if state is not None:
            return self.states[state]
        return Count(sum(map(int, self.states.values())), any(count.capped for count in self.states.values()))

    @property
    def present(self) -> list[tuple[TaskState, Count]]:
        """The states that any task is in."""
        return [(state, self.states[state]) for state in TaskState if self.states[state].number]


class _Cut(Subquery):
    """How many rows a sliced queryset has, as a column."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS cut)"
    empty_result_set_value = 0


def counts(environment: Environment, wanted: Narrowing, *, payload: bool) -> Counts:
    """Of the tasks of this list in any state. The caller has shown the environment already."""
    wanted = wanted.without("state")
    if _is_told_by_statistics(environment, wanted):
        return Counts(_ended(environment, wanted) | _live(environment, wanted))
    if wanted == Narrowing():
        return Counts(_by_index(environment, tuple(TaskState), MANY))
    return Counts(_within_budget(environment, wanted, payload=payload))


def _is_told_by_statistics(environment: Environment, wanted: Narrowing) -> bool:
    plain = not wanted.search and wanted.ids is None and not wanted.other and set(wanted.equal) <= {"engine", "queue"}
    single = all(len(values) == 1 for values in wanted.equal.values())
    start = wanted.bounds.start
    # Statistics outlive the tasks they tell of.
    kept = start is not None and timezone.now() - start < timedelta(days=environment.tasks_days)
    return plain and single and kept and wanted.bounds.is_stepped


def _ended(environment: Environment, wanted: Narrowing) -> dict[TaskState, Count]:
    start, end = wanted.bounds.start, wanted.bounds.end or timezone.now() + AHEAD
    if start is None:
        raise ValueError("Statistics are asked for a time.")
    engine, queue = ((wanted.equal.get(name) or (None,))[0] for name in ("engine", "queue"))
    ends = stats.totals(environment.pk, start, end, engine=engine, queue=queue).ends
    return {TaskState(state): Count(number, False) for state, number in ends.items()}


def _live(environment: Environment, wanted: Narrowing) -> dict[TaskState, Count]:
    if not wanted.bounds.live:
        return dict.fromkeys(LIVE, Count(0, False))
    if not wanted.equal:
        return _by_index(environment, LIVE)
    same = Condition.of(Q(**{f"{name}__in": list(values) for name, values in wanted.equal.items()}))
    found, more = walk.count(environment.pk, [By("state", state) for state in LIVE], same, "state", BUDGET)
    return {state: Count(found.get(state, 0), more) for state in LIVE}


def _by_index(environment: Environment, states: tuple[TaskState, ...], cap: int = CAP) -> dict[TaskState, Count]:
    """In one query that reads `cap` + 1 entries of each at most."""
    rows: QuerySet[Task] = Task.objects.filter(environment=environment).order_by()
    cuts = {state.value: _Cut(rows.filter(state=state).values("pk")[: cap + 1]) for state in states}
    row = Environment.objects.filter(pk=environment.pk).annotate(**cuts).values(*cuts).first() or {}
    return {state: Count(min(row.get(state.value, 0), cap), row.get(state.value, 0) > cap) for state in states}


def _within_budget(environment: Environment, wanted: Narrowing, *, payload: bool) -> dict[TaskState, Count]:
    found = plan(environment, wanted, Place(), payload=payload)
    numbers, more = walk.count(environment.pk, found.ways, found.condition, "state", BUDGET)
    return {state: Count(numbers.get(state, 0), more) for state in TaskState}

"""Finding tasks, newest first, at a price that is known beforehand.

A way goes along one index in the order of ids and looks at a given number of rows at most; all other conditions are
tried on these rows as they come, so that a page which fills early costs little. Where a way stopped before its end, the
find says so by its edge: everything up to there was looked at, and the next find goes on from it. Both stores evaluate
the inner LIMIT lazily; SQLite is told the index by name, PostgreSQL finds no cheaper one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.core.exceptions import EmptyResultSet, FullResultSet
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Q
from django.db.models.expressions import Col

from z4j_brain.lib.bulk import on_postgres
from z4j_brain.tasks.models import Task

#: Rows that one find looks at: side by side in the table along all tasks, scattered over it along another index.
BUDGET, SCATTERED = 2_000, 700
#: Of several ways, each looks at so many at least.
LEAST = 50
#: With more ways than that, PostgreSQL takes longer to plan each by itself than to walk it.
FEW = 3

Column = Literal["", "state", "name", "queue", "error_type", "issue", "retry_of", "parent_id", "group_id"]

_INDEXES: dict[str, str] = {
    "": "task_list",
    "state": "task_state",
    "name": "task_name",
    "queue": "task_queue",
    "error_type": "task_error",
    "issue": "task_issue",
    "retry_of": "task_retry_of",
    "parent_id": "task_parent",
    "group_id": "task_group",
}
#: Columns whose index leaves out what is empty: a query has to say so in the index's own words.
_PARTIAL = frozenset({"error_type", "issue", "retry_of", "parent_id", "group_id"})

Statement = tuple[str, list[Any]]

#: Stands for the value of a way that comes out of a row beside it.
GIVEN = "given.value"


@dataclass(frozen=True, slots=True)
class By:
    """Along the index of a column, at one value; without a column, along all tasks of the environment."""

    column: Column = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Among:
    """Tasks that were looked up beforehand, by id. With an `edge`, more may be beyond it: behind `looked` others."""

    ids: tuple[int, ...]
    edge: int | None = None
    looked: int = 0


Way = By | Among


@dataclass(frozen=True, slots=True)
class Place:
    """Where a find begins, and which way it goes: down, to what is older, or up."""

    start: int | None = None
    down: bool = True

    @property
    def direction(self) -> str:
        return "DESC" if self.down else "ASC"

    def beyond(self, pk: int) -> bool:
        return self.start is None or (pk < self.start if self.down else pk > self.start)


@dataclass(frozen=True, slots=True)
class Found:
    """Ids in the order of the walk. `edge`: the last one of those `looked` at, when there is more to look at."""

    ids: list[int]
    edge: int | None = None
    looked: int = 0


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on a task's own columns, as SQL on a row named tasks_task. `never`: no row meets it."""

    sql: str
    params: list[Any]
    columns: frozenset[str]
    never: bool = False

    @classmethod
    def of(cls, wanted: Q) -> Condition:
        query = Task.objects.filter(wanted).query
        try:
            sql, params = query.get_compiler(using=DEFAULT_DB_ALIAS).compile(query.where)
        except FullResultSet:
            return cls("", [], frozenset())
        except EmptyResultSet:
            return cls("", [], frozenset(), never=True)
        return cls(sql, list(params), frozenset(_columns(query.where.leaves())))


def find(environment_id: int, ways: Sequence[Way], condition: Condition, place: Place, limit: int) -> Found:
    """The first `limit` tasks on any of these ways that meet the condition."""
    if condition.never or not ways:
        return Found([])
    share = _share(ways, BUDGET) if condition.sql else limit
    ways = [way if condition.sql else _cut(way, place, limit) for way in ways]

    def term(way: Way) -> Statement:
        inner, params = _walked(environment_id, way, condition.columns, place, share)
        return f"SELECT tasks_task.id FROM ({inner}) tasks_task{_where(condition)} LIMIT {limit}", [  # noqa: S608
            *params,
            *condition.params,
        ]

    counts: Counter[int] = Counter()
    ids = set()
    for number, pk in _rows(_each(ways, term)):
        counts[number] += 1
        ids.add(pk)
    short = [way for number, way in enumerate(ways) if counts[number] < limit]
    edge = _edge(environment_id, short, place, share if condition.sql else 0)
    if edge is not None:
        ids = {pk for pk in ids if (pk >= edge if place.down else pk <= edge)}
    found = sorted(ids, reverse=place.down)[:limit]
    if edge is None or len(found) == limit:
        return Found(found)
    return Found(found, edge, sum(share if isinstance(way, By) else way.looked for way in ways))


def count(
    environment_id: int, ways: Sequence[Way], condition: Condition, column: str, budget: int
) -> tuple[dict[str, int], bool]:
    """How many tasks on these ways meet the condition, by a column's values; and whether there is more to count."""
    if condition.never or not ways:
        return {}, False
    share, place = _share(ways, budget), Place()
    ways = [_cut(way, place, share) for way in ways]

    def term(way: Way) -> Statement:
        inner, params = _walked(environment_id, way, condition.columns | {column}, place, share)
        fields = f"tasks_task.id, tasks_task.{column}"
        return f"SELECT {fields} FROM ({inner}) tasks_task{_where(condition)}", [*params, *condition.params]  # noqa: S608

    each, params = _each(ways, term)
    rows = _rows((f"SELECT {column}, COUNT(DISTINCT id) FROM ({each}) AS every GROUP BY 1", params))  # noqa: S608
    return dict(rows), _edge(environment_id, ways, place, share) is not None


def _cut(way: Way, place: Place, limit: int) -> Way:
    """Of tasks that were looked up, as many as are wanted."""
    if isinstance(way, By):
        return way
    ids = sorted((pk for pk in way.ids if place.beyond(pk)), reverse=place.down)
    return Among(tuple(ids[:limit]), ids[limit - 1] if len(ids) > limit else way.edge, way.looked)


def _share(ways: Sequence[Way], budget: int) -> int:
    """The rows each of these ways may look at."""
    if all(isinstance(way, By) and not way.column for way in ways):
        return budget
    return max(budget * SCATTERED // BUDGET // len(ways), LEAST)


def _where(condition: Condition) -> str:
    return f" WHERE {condition.sql}" if condition.sql else ""


def _walked(environment_id: int, way: Way, columns: Collection[str], place: Place, limit: int) -> Statement:
    """The rows of a way, as far as it goes."""
    fields = ", ".join(sorted({"id", *columns}))
    source, params = _source(environment_id, way, place)
    limit = len(way.ids) if isinstance(way, Among) else limit
    return f"SELECT {fields} {source} LIMIT {limit}", params


def _source(environment_id: int, way: Way, place: Place) -> Statement:
    """The rows of a way without its LIMIT."""
    wanted, order = ["environment_id = %s"], f"id {place.direction}"
    params: list[Any] = [environment_id]
    hint = ""
    if isinstance(way, Among):
        wanted.append(f"id IN ({', '.join(str(int(pk)) for pk in way.ids) or 'NULL'})")
        hint = "" if on_postgres() else " NOT INDEXED"  # by the rows' own ids, not along all of the environment
    elif on_postgres():
        # An order that only the one index has. By `=` the column would be no part of it, and a walk along the primary
        # key that passes over all others would seem as good.
        column, value = (way.column, way.value) if way.column else ("environment_id", environment_id)
        mark = GIVEN if value is GIVEN else "%s"
        wanted = [*wanted[: bool(way.column)], f"{column} >= {mark} AND {column} <= {mark}"]
        params = [*params[: bool(way.column)], *([] if value is GIVEN else [value, value])]
        order = f"{column} {'ASC' if place.down else 'DESC'}, {order}"
    else:
        hint = f" INDEXED BY {_INDEXES[way.column]}"
        wanted += [f"{way.column} = %s"] if way.column else []
        params += [way.value] if way.column else []
    if isinstance(way, By) and way.column in _PARTIAL:
        wanted.append(f"NOT ({way.column} = '')")
    if place.start is not None:
        wanted.append(f"id {'<' if place.down else '>'} %s")
        params.append(place.start)
    return f"FROM tasks_task{hint} WHERE {' AND '.join(wanted)} ORDER BY {order}", params


def _edge(environment_id: int, ways: Sequence[Way], place: Place, share: int) -> int | None:
    """The nearest id at which one of these ways stopped before its end."""
    edges = [way.edge for way in ways if isinstance(way, Among) and way.edge is not None]
    walks = [way for way in ways if isinstance(way, By)]

    def term(way: Way) -> Statement:
        source, params = _source(environment_id, way, place)
        # The last one looked at and the one behind it: without that the way came to its end.
        return f"SELECT id {source} LIMIT 2 OFFSET {share - 1}", params

    if share and walks:
        stops: dict[int, list[int]] = {}
        for number, pk in _rows(_each(walks, term)):
            stops.setdefault(number, []).append(pk)
        edges += [(max if place.down else min)(pks) for pks in stops.values() if len(pks) == 2]
    if not edges:
        return None
    return max(edges) if place.down else min(edges)


def _each(ways: Sequence[Way], term: Callable[[Way], Statement]) -> Statement:
    """The term of each way, with the way's number before its columns, and each with its own LIMIT."""
    columns = {way.column for way in ways if isinstance(way, By)}
    if on_postgres() and len(ways) > FEW and len(columns) == 1:
        return _laterally(ways, term, columns.pop())
    terms = [term(way) for way in ways]
    sql = " UNION ALL ".join(f"SELECT {number} AS way, t.* FROM ({one}) AS t" for number, (one, _) in enumerate(terms))  # noqa: S608
    return sql, [value for _, params in terms for value in params]


def _laterally(ways: Sequence[Way], term: Callable[[Way], Statement], column: Column) -> Statement:
    """One term for all values of a column, planned once."""
    along = {number: way.value for number, way in enumerate(ways) if isinstance(way, By)}
    marks = ", ".join(["(%s::int, %s)"] * len(along))
    one, params = term(By(column, GIVEN))
    sql = f"SELECT way, t.* FROM (VALUES {marks}) AS given(way, value) CROSS JOIN LATERAL ({one}) AS t"  # noqa: S608
    params = [part for pair in along.items() for part in pair] + params
    for number, way in enumerate(ways):
        if isinstance(way, Among):
            other, more = term(way)
            sql, params = f"{sql} UNION ALL SELECT {number}, t.* FROM ({other}) AS t", [*params, *more]  # noqa: S608
    return sql, params


def _columns(leaves: Iterator[Any]) -> Iterator[str]:
    for leaf in leaves:
        for part in leaf.lhs.flatten():
            if isinstance(part, Col):
                yield str(part.target.column)


def _rows(statement: Statement) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(*statement)
        return list(cursor.fetchall())

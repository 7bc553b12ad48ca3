"""Pages of a list of tasks: rows found by walking, and an honest word where the walk ended before the page was full."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from z4j_brain.lib import keyset
from z4j_brain.lib.capped import Count
from z4j_brain.rbac.models import Environment
from z4j_brain.tasks import walk
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.narrowing import Narrowing, plan
from z4j_brain.tasks.walk import Place

#: Rows of one step of an export.
STEP = 1_000

Fetch = Callable[[Sequence[int]], list[Task]]


@dataclass(frozen=True, slots=True)
class TaskPage(keyset.Page[Task]):
    """With `looked`, the page is shorter than it might be: that many tasks were looked through, and there are more.
    With `total`, all there is stands on it.
    """

    looked: int = 0
    total: Count | None = None

    def known(self, count: Count) -> TaskPage:
        """The same page, now that so many are known to be wanted: with all of them on it, there is nothing further."""
        if self.previous is not None or (self.next is not None and (count.capped or len(self.results) < count.number)):
            return self
        return replace(self, next=None, looked=0, total=Count(len(self.results), False))


def page(
    environment: Environment, wanted: Narrowing, fetch: Fetch, cursor: str | None, size: int, *, payload: bool
) -> TaskPage:
    """`size` tasks, newest first, from `cursor` on. `fetch` reads rows by id, in any order."""
    size = max(1, min(size, keyset.MAX_SIZE))
    back, start = keyset.position(cursor, Task) if cursor else (False, None)
    place = Place(start, down=not back)
    found = _find(environment, wanted, place, size + 1, payload=payload)
    more, ids = len(found.ids) > size, found.ids[:size]
    ahead = ids[-1] if more else found.edge
    rows = sorted(fetch(ids), key=lambda row: -row.pk)
    if not rows and found.edge is None:
        return TaskPage([], None, None)
    if back:
        behind = rows[-1].pk if rows else (start or 0) + 1
        newer = keyset.cursor(ahead, back=True) if ahead is not None else None
        return TaskPage(rows, keyset.cursor(behind), newer, 0 if more else found.looked)
    newer = keyset.cursor(rows[0].pk if rows else (start or 1) - 1, back=True) if start is not None else None
    older = keyset.cursor(ahead) if ahead is not None else None
    return TaskPage(rows, older, newer, 0 if more else found.looked)


def every_id(environment: Environment, wanted: Narrowing, *, payload: bool) -> Iterator[list[int]]:
    """The ids of all of them, newest first, step by step."""
    start: int | None = None
    while True:
        found = _find(environment, wanted, Place(start), STEP, payload=payload)
        if found.ids:
            yield found.ids
        if len(found.ids) < STEP and found.edge is None:
            return
        start = found.ids[-1] if len(found.ids) == STEP else found.edge


def everything(environment: Environment, wanted: Narrowing, fetch: Fetch, *, payload: bool) -> Iterator[list[Task]]:
    """All of them, newest first, in steps that each cost the same; what comes in meanwhile is not among them."""
    for ids in every_id(environment, wanted, payload=payload):
        yield sorted(fetch(ids), key=lambda row: -row.pk)


def _find(environment: Environment, wanted: Narrowing, place: Place, limit: int, *, payload: bool) -> walk.Found:
    way = plan(environment, wanted, place, payload=payload)
    return walk.find(environment.pk, way.ways, way.condition, place, limit)

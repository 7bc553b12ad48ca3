"""The tasks around a task as a workflow: what came of what, in the shape of a forest that is small enough to be drawn.

A task stands below its original, or else below its parent. One that has the group of its parent is what a group ends
in: it stands behind all members of that group. Where there are more than can be drawn, those that stand side by side
are folded into one, failures last.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from typing import Final
from urllib.parse import urlencode

from django.utils.translation import gettext

from z4j_brain.lib.words import number
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.relatives import Relatives
from z4j_brain.tasks.states import TaskState

#: Tasks that are drawn, and how many side by side where there are more in all.
DRAWN: Final = 60
_SIDE_BY_SIDE: Final = (12, 8, 5, 3, 2, 1)
#: How far the clocks of two workers may be apart.
_CLOCKS: Final = timedelta(seconds=5)
FAILED: Final = frozenset((TaskState.FAILED, TaskState.DEAD_LETTERED, TaskState.LOST))


@dataclass(slots=True)
class Node:
    """A task with what came of it. `word`: how it is related to the task at hand."""

    task: Task
    word: str = ""
    is_here: bool = False
    is_retry: bool = False
    sets: list[Siblings] = field(default_factory=list)

    @property
    def size(self) -> int:
        return 1 + sum(one.size for one in self.sets)

    @property
    def failed(self) -> int:
        return (self.task.state in FAILED) + sum(one.failed for one in self.sets)

    @property
    def is_kept(self) -> bool:
        """Is the task at hand this one, or below it?"""
        return self.is_here or any(one.is_kept for one in self.sets)


@dataclass(slots=True)
class Siblings:
    """Tasks side by side, of one group or of none, below one `of` them. `ends`: what comes after all of a group.
    `folded`: not drawn. `is_whole`: the group has no other members. `more`: there are others that were not read.
    """

    group: str
    nodes: list[Node]
    ends: list[Node] = field(default_factory=list)
    folded: list[Node] = field(default_factory=list)
    of: Node | None = None
    is_whole: bool = False
    more: bool = False

    @property
    def every(self) -> list[Node]:
        return [*self.nodes, *self.folded, *self.ends]

    @property
    def size(self) -> int:
        return sum(node.size for node in self.every)

    @property
    def failed(self) -> int:
        return sum(node.failed for node in self.every)

    @property
    def is_kept(self) -> bool:
        return any(node.is_kept for node in self.every)

    @property
    def members(self) -> int:
        return len(self.nodes) + len(self.folded)

    @property
    def label(self) -> str:
        """What a group is called in the picture; empty for what is none."""
        if not self.is_whole:
            return ""
        told = {"number": f"{self.members}{'+' if self.more else ''}"}
        return gettext("chord of %(number)s") % told if self.ends else gettext("group of %(number)s") % told

    @property
    def rest(self) -> str:
        """`and 940 more, 12 failed`."""
        count, failed = sum(node.size for node in self.folded), sum(node.failed for node in self.folded)
        told = {"number": f"{number(count)}{'+' if self.more else ''}", "failed": number(failed)}
        if failed:
            return gettext("and %(number)s more, %(failed)s failed") % told
        return gettext("and %(number)s more") % told

    @property
    def query(self) -> str:
        """The list of tasks with all that are folded; empty where no filter tells them."""
        parents = {node.task.parent_id for node in self.folded}
        if self.group:
            told = {"group": self.group}
        elif self.of and parents == {self.of.task.task_id}:
            told = {"parent": self.of.task.task_id}
        else:
            return ""
        return urlencode({**told, "engine": self.folded[0].task.engine, "since": "all"})


@dataclass(frozen=True, slots=True)
class Workflow:
    """`size`: all that were read. `more`: there are others."""

    tops: list[Siblings]
    size: int
    failed: int
    more: bool

    @property
    def words(self) -> str:
        told = {"number": f"{number(self.size)}{'+' if self.more else ''}", "failed": number(self.failed)}
        if self.failed:
            return gettext("%(number)s tasks, %(failed)s failed") % told
        return gettext("%(number)s tasks") % told


def workflow(found: Relatives) -> Workflow | None:
    """None where the task stands alone."""
    if not found:
        return None
    nodes = _nodes(found)
    above = _above(nodes)
    sets = _Sets(nodes, above, found.more)
    for node in nodes.values():
        node.sets = sets.below(node)
    tops = sets.below(None)
    _fold(tops, len(nodes))
    return Workflow(tops, len(nodes), sum(node.task.state in FAILED for node in nodes.values()), found.more)


def _nodes(found: Relatives) -> dict[str, Node]:
    """By task id, in the order in which they came."""
    rows = sorted(found.rows.values(), key=lambda row: row.pk)
    words = dict(_words(found))
    return {row.task_id: Node(row, words.get(row.task_id, ""), row.pk == found.here.pk) for row in rows}


def _words(found: Relatives) -> Iterator[tuple[str, str]]:
    here = found.here
    for row in found.rows.values():
        if row.retry_of == here.task_id:
            yield row.task_id, gettext("retried as")
        elif row.parent_id == here.task_id:
            yield row.task_id, gettext("child")
        elif row.retry_of in found.rows and row.pk != here.pk:
            yield row.task_id, gettext("a retry")
    yield here.root_id, gettext("root")
    yield here.parent_id, gettext("parent")
    original = found.rows.get(here.retry_of)
    for _ in found.rows:
        if original is None or original.pk == here.pk:
            return
        yield original.task_id, gettext("original")
        original = found.rows.get(original.retry_of)


def _above(nodes: dict[str, Node]) -> dict[str, str]:
    """By task id what each stands below: its original, or its parent, unless that stands below it already."""
    above: dict[str, str] = {}
    for name, node in nodes.items():
        for wanted in (node.task.retry_of, node.task.parent_id):
            if wanted in nodes and name not in _way(wanted, above):
                above[name] = wanted
                break
    return above


def _way(name: str, above: dict[str, str]) -> Iterator[str]:
    """The task and all that it stands below."""
    yield name
    while name in above:
        yield (name := above[name])


class _Sets:
    """Which tasks stand side by side, and where."""

    def __init__(self, nodes: dict[str, Node], above: dict[str, str], more: bool) -> None:
        self.more = more
        self._below: dict[str, list[Node]] = defaultdict(list)
        self._ends: dict[str, list[Node]] = defaultdict(list)
        self._members: Counter[str] = Counter()
        ends = _ends(nodes, above)
        for name, node in nodes.items():
            up = above.get(name, "")
            node.is_retry = bool(up) and up == node.task.retry_of
            (self._ends if name in ends else self._below)[up].append(node)
            self._members[node.task.group_id] += not node.is_retry and name not in ends

    def below(self, node: Node | None) -> list[Siblings]:
        """Those of one group together, all in the order in which they came."""
        found = self._below[node.task.task_id if node else ""]
        first: dict[str, int] = {}
        for one in found:
            first.setdefault(_group(one), one.task.pk)
        ordered = sorted(found, key=lambda one: (first[_group(one)], one.task.pk))
        return [self._set(group, list(members), node) for group, members in groupby(ordered, key=_group)]

    def _set(self, group: str, members: list[Node], of: Node | None) -> Siblings:
        ends = [end for one in members for end in self._ends[one.task.task_id]]
        whole = bool(group) and self._members[group] == len(members)
        return Siblings(group, members, ends, of=of, is_whole=whole, more=self.more)


def _group(node: Node) -> str:
    return "" if node.is_retry else node.task.group_id


def _ends(nodes: dict[str, Node], above: dict[str, str]) -> set[str]:
    """What comes after a whole group: it says that it is of the group of its parent, and all others of it are over."""
    maybe = {name for name, up in above.items() if _is_of_one(nodes[name].task, nodes[up].task)}
    maybe -= {name for name in maybe if above[name] in maybe}
    members: dict[str, list[Task]] = defaultdict(list)
    for name, node in nodes.items():
        if name not in maybe and node.task.retry_of not in nodes:
            members[node.task.group_id].append(node.task)
    return {name for name in maybe if _follows(nodes[name].task, members[nodes[name].task.group_id])}


def _is_of_one(task: Task, above: Task) -> bool:
    return bool(task.group_id) and task.group_id == above.group_id and task.retry_of != above.task_id


def _follows(task: Task, others: Iterable[Task]) -> bool:
    """Had they ended when it began? A child that is in the group of its parent may begin before."""
    begin = task.started_at or task.enqueued_at
    for other in others:
        if not other.is_final or (begin and other.finished_at and other.finished_at > begin + _CLOCKS):
            return False
    return True


def _fold(tops: list[Siblings], size: int) -> None:
    """Leave so many side by side that the whole can be drawn."""
    if size <= DRAWN:
        return
    for most in _SIDE_BY_SIDE:
        for one in _all(tops):
            _shorten(one, most)
        if _drawn(tops) <= DRAWN:
            return


def _shorten(one: Siblings, most: int) -> None:
    """The task at hand stays, then what failed, then what came first. One alone is not folded away."""
    every = sorted([*one.nodes, *one.folded], key=lambda node: node.task.pk)
    if len(every) <= most + 1:
        return
    chosen = sorted(every, key=lambda node: (not node.is_kept, not node.failed, node.task.pk))[:most]
    kept = {node.task.pk for node in chosen}
    one.nodes = [node for node in every if node.task.pk in kept]
    one.folded = [node for node in every if node.task.pk not in kept]


def _all(sets: Iterable[Siblings]) -> Iterator[Siblings]:
    for one in sets:
        yield one
        for node in (*one.nodes, *one.ends):
            yield from _all(node.sets)


def _drawn(sets: Iterable[Siblings]) -> int:
    return sum(len(one.nodes) + len(one.ends) + bool(one.folded) for one in _all(sets))

"""How far one permission reaches within a place: everywhere, nowhere, or for some queues and task names.

The same rule in two forms: `covers` answers for one thing, `condition` is what the stores ask of many rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import Q

from z4j_brain.rbac import globs

#: No row.
NOTHING = Q(pk__in=[])


@dataclass(frozen=True, slots=True)
class Facets:
    """What patterns look at: the queue and the task name of a thing, None where it has none."""

    queue: str | None = None
    task: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """The things whose queue and whose task name fit; what is empty asks nothing."""

    queue: str = ""
    task: str = ""

    def covers(self, facets: Facets) -> bool:
        return globs.fits(self.queue, facets.queue, dotted=False) and globs.fits(self.task, facets.task, dotted=True)

    def condition(self, columns: Mapping[str, str]) -> Q:
        """`columns`: which of a row's columns hold the queue and the task name."""
        wanted = Q()
        for facet, glob in (("queue", self.queue), ("task", self.task)):
            if not glob:
                continue
            if facet not in columns:
                return NOTHING
            if "*" in glob:
                wanted &= Q(**{f"{columns[facet]}__regex": globs.pattern(glob, dotted=facet == "task")})
            else:
                wanted &= Q(**{columns[facet]: glob})
        return wanted


@dataclass(frozen=True, slots=True)
class Reach:
    """`whole`: held everywhere, `never`: denied everywhere, and what is allowed and denied in part."""

    whole: bool = False
    never: bool = False
    allowed: frozenset[Part] = field(default_factory=frozenset)
    denied: frozenset[Part] = field(default_factory=frozenset)

    @property
    def is_somewhere(self) -> bool:
        return not self.never and (self.whole or bool(self.allowed))

    @property
    def is_everywhere(self) -> bool:
        return self.whole and not self.never and not self.denied

    def covers(self, facets: Facets) -> bool:
        if self.never or any(part.covers(facets) for part in self.denied):
            return False
        return self.whole or any(part.covers(facets) for part in self.allowed)

    def is_whole_queue(self, name: str) -> bool:
        """Does it reach all tasks of one queue, whatever their names?"""
        queue = Facets(name)
        if self.never or any(Part(part.queue).covers(queue) for part in self.denied):
            return False
        return self.whole or any(not part.task and part.covers(queue) for part in self.allowed)

    def contains(self, other: Reach) -> bool:
        """Does it reach, for certain, wherever the other one does?"""
        if not other.is_somewhere:
            return True
        if self.never or not self.denied <= other.denied:
            return False
        return self.whole or (not other.whole and other.allowed <= self.allowed)

    def condition(self, columns: Mapping[str, str]) -> Q:
        if not self.is_somewhere:
            return NOTHING
        wanted = Q()
        if not self.whole:
            wanted = NOTHING
            for part in sorted(self.allowed, key=str):
                wanted |= part.condition(columns)
        for part in sorted(self.denied, key=str):
            wanted &= ~part.condition(columns)
        return wanted

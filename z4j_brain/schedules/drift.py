"""How far a schedule is behind its due times, and whether it falls behind more and more."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from django.utils.translation import gettext

from z4j_brain.lib.words import duration
from z4j_brain.schedules.models import Run, Schedule

#: Runs that are looked at, and how few are none.
RUNS, FEW = 60, 6
#: How much later is worth a word: by this factor, and by so many milliseconds at least.
FACTOR, LEAST = 2.0, 1_000.0


@dataclass(frozen=True, slots=True)
class Drift:
    """From being due to being sent, milliseconds: usually before, lately, and at most."""

    usual: float
    lately: float
    most: float

    @property
    def grows(self) -> bool:
        return self.lately >= max(self.usual * FACTOR, self.usual + LEAST)

    @property
    def words(self) -> str:
        told = {"lately": duration(self.lately), "usual": duration(self.usual), "most": duration(self.most)}
        if self.grows:
            return gettext("%(lately)s after it is due, %(usual)s before that; %(most)s at most") % told
        return gettext("%(lately)s after it is due; %(most)s at most") % told


def of(schedule: Schedule) -> Drift | None:
    """None: for too few of its last runs it is known when they were due."""
    rows = Run.objects.filter(schedule=schedule, asked=False).exclude(late_ms=None).order_by("-moment")
    late = [one for one in rows.values_list("late_ms", flat=True)[:RUNS] if one is not None][::-1]
    if len(late) < FEW:
        return None
    half = len(late) // 2
    return Drift(median(late[:half]), median(late[half:]), max(late))

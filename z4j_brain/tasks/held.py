"""What a queue holds, by task name, as far as its tasks were told of: producers without an agent tell of none."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from z4j_brain.tasks.models import Task
from z4j_brain.tasks.states import TaskState

#: Of each state the newest so many of the environment are looked at: no index leads to one queue's waiting tasks.
LOOKED = 2_000
#: Names that are told.
NAMES = 20
WAITING = (TaskState.SCHEDULED, TaskState.QUEUED, TaskState.RECEIVED, TaskState.RETRYING)


@dataclass(frozen=True, slots=True)
class Held:
    """`names`: each with how many wait and how many run, most first. `more`: names that are not told. `capped`: there
    are more tasks than were looked at, so there may be more of these.
    """

    names: tuple[tuple[str, int, int], ...]
    waiting: int
    more: int
    capped: bool


def held(environment_id: int, engine: str, queue: str) -> Held:
    """For a page that already shows the queue: it asks for no actor."""
    waits: Counter[str] = Counter()
    runs: Counter[str] = Counter()
    capped = False
    for state in (*WAITING, TaskState.STARTED):
        rows = Task.objects.filter(environment=environment_id, state=state).order_by("-id")
        found = list(rows.values_list("engine", "queue", "name")[: LOOKED + 1])
        capped |= len(found) > LOOKED
        of_state = waits if state in WAITING else runs
        of_state.update(name for ours, into, name in found[:LOOKED] if (ours, into) == (engine, queue))
    most = sorted(waits.keys() | runs.keys(), key=lambda name: (-waits[name], -runs[name], name))
    told = tuple((name, waits[name], runs[name]) for name in most[:NAMES])
    return Held(told, waits.total(), max(len(most) - NAMES, 0), capped)

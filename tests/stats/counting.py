"""Statistics as they are stored, and as they are when every task is counted by itself."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db.models import Model

from z4j_brain.lib.bulk import EPOCH
from z4j_brain.stats import histogram
from z4j_brain.stats.models import ByName, ByQueue
from z4j_brain.stats.states import ENDS, SUMS, Grain
from z4j_brain.tasks.models import Task

Rollups = dict[tuple[Any, ...], Any]


def rollups(environment_id: int | None = None) -> Rollups:
    """Every rollup that counts anything: its sums and histograms by grain, start, engine, and queue or name."""
    found: Rollups = {}
    for kind, model in (("queue", ByQueue), ("name", ByName)):
        for row in _of(model, environment_id).values():
            sums = {name: row[name] for name in SUMS if row[name]}
            counts = (sums, histogram.load(row["runtimes"]), histogram.load(row["waits"]))
            if any(counts):
                found[kind, row["grain"], row["start"], row["engine"], row[kind]] = counts
    return found


def counted(environment_id: int | None = None) -> Rollups:
    """The same, one task after another: the slow and plain way."""
    found: Rollups = {}
    for task in _of(Task, environment_id):
        for kind, grains in (("queue", list(Grain)), ("name", [Grain.HOUR, Grain.DAY])):
            for grain in grains:
                _count(found, kind, grain, task)
    return {key: (dict(sums), runtimes, waits) for key, (sums, runtimes, waits) in found.items()}


def _of(model: type[Model], environment_id: int | None) -> Any:
    rows = model._default_manager.all()
    return rows if environment_id is None else rows.filter(environment=environment_id)


def _count(found: Rollups, kind: str, grain: Grain, task: Task) -> None:
    def at(moment: Any) -> Any:
        start = int((moment - EPOCH).total_seconds() // grain) * grain
        key = (kind, int(grain), start, task.engine, getattr(task, kind))
        return found.setdefault(key, (Counter(), Counter(), Counter()))

    at(task.first_at)[0]["arrived"] += 1
    if task.state not in ENDS or task.finished_at is None:
        return
    sums, runtimes, waits = at(task.finished_at)
    sums[task.state] += 1
    if task.attempt:
        sums["retries"] += task.attempt
    if task.runtime_ms is not None:
        if runtime := round(task.runtime_ms * 1000):
            sums["runtime_us"] += runtime
        runtimes[histogram.slot(round(task.runtime_ms * 1000))] += 1
    if task.waited is not None and task.started_at is not None:
        waits[histogram.slot(task.waited.total_seconds() * 1_000_000)] += 1

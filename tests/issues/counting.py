"""Issues as they are stored, and as they are when every task is looked at by itself."""

from __future__ import annotations

from collections import Counter
from typing import Any

from z4j_brain.issues.models import Issue
from z4j_brain.tasks.models import Task


def counted() -> dict[str, Any]:
    """Each issue as its tasks make it, the slow and plain way."""
    found: dict[str, list[Task]] = {}
    for task in Task.objects.exclude(issue=""):
        found.setdefault(task.issue, []).append(task)
    return {one: _summed([task.finished_at for task in tasks]) for one, tasks in found.items()}


def _summed(ends: list[Any]) -> tuple[Any, ...]:
    hours = Counter(int(end.timestamp()) // 3600 * 3600 for end in ends)
    return len(ends), min(ends), max(ends), dict(hours)


def stored() -> dict[str, Any]:
    return {
        row.fingerprint: (
            row.count,
            row.first_at,
            row.last_at,
            {one.hour: one.count for one in row.hours.all() if one.count},
        )
        for row in Issue.objects.all()
    }

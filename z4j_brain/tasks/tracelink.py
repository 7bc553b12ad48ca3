"""The way from a task to its trace in another system, as the settings of its environment say it."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from z4j_brain.lib import linktemplate
from z4j_brain.tasks.models import Task


def address(task: Task) -> str:
    """Empty where none is set, or where the task has not told what it takes."""
    return linktemplate.filled(task.environment.trace_link, _facts(task))


def _facts(task: Task) -> dict[str, str]:
    """What may be known of it; empty for what is not."""
    ended = task.finished_at or timezone.now()
    return {
        "trace_id": task.trace_id,
        "task_id": task.task_id,
        "name": task.name,
        "queue": task.queue,
        "worker": task.worker,
        "engine": task.engine,
        "started": f"{task.started_at:%Y-%m-%dT%H:%M:%SZ}" if task.started_at else "",
        "started_ms": _milliseconds(task.started_at) if task.started_at else "",
        "ended_ms": _milliseconds(ended),
    }


def _milliseconds(moment: datetime) -> str:
    return str(round(moment.timestamp() * 1000))

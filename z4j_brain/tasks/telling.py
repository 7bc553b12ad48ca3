"""The values of a task as its reader has them now, for a page: what is not shown is not given to it."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends.base import SessionBase

from z4j_brain.rbac.actor import Actor
from z4j_brain.tasks import marks, masking, queries, trace
from z4j_brain.tasks.models import Task


def values(actor: Actor, session: SessionBase, task: Task) -> dict[str, Any]:
    """For the templates of a task's error and arguments. The task itself has none of them any more."""
    found = masking.values(actor, session, task)
    told = {name: getattr(task, name) if found.shown else "" for name in queries.PAYLOAD}
    for name in queries.PAYLOAD:
        setattr(task, name, "")
    late = queries.late(task) if found.shown else frozenset()
    return {
        "where": {name: marks.LATE if name in late else marks.WORKER for name in ("args", "kwargs", "result", "error")},
        "values": found,
        "told": told,
        "trace": trace.groups(told["traceback"]),
        "rules": marks.told([told[name] for name in ("args", "kwargs", "result")]),
        "error_rules": marks.told([told["error_message"], told["traceback"]]),
    }

"""What people keep about the list of tasks of an environment, full of canaries."""

from __future__ import annotations

from typing import Any

from z4j_brain.rbac.models import Environment
from z4j_brain.tasks.models import SavedView


def furnish(environment: Environment, mark: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A view that everybody has, and the keys and the bodies by which addresses are filled in."""
    view = SavedView.objects.create(environment=environment, name=mark, query=f"queue={mark}")
    bodies = {"api-task-views": {"name": "more", "query": "state=failed"}, "api-task-view": {"name": "other"}}
    return {"api-task-view": view.pk}, bodies

"""Originals that agents have sealed: kept as they came, handed back with a retry, and opened by nobody here.

Written by the ingest in its own transaction, set-based; they go with their tasks.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db import connection
from z4j_core.sealed import Sealed as OnWire

from z4j_brain.lib import bulk
from z4j_brain.lib.batch import ParsedEvent
from z4j_brain.lib.ids import numbers
from z4j_brain.tasks.models import Sealed

BATCH = 500
_ROW = "(%s, %s, %s, %s)"


def keep(events: Iterable[ParsedEvent], ids: Mapping[tuple[str, str], int]) -> None:
    """What came sealed with these events, by the ids of their tasks. Of two of a task, the newer one stays."""
    newest: dict[int, tuple[Any, ...]] = {}
    for parsed in events:
        event = parsed.event
        task = ids.get((event.get("engine") or "", event.get("task_id") or "")) if parsed.sealed else None
        if task is not None and parsed.sealed and (task not in newest or newest[task][3] <= event["ts"]):
            newest[task] = (task, *parsed.sealed, event["ts"])
    with connection.cursor() as cursor:
        for step in bulk.batched((newest[task] for task in sorted(newest)), BATCH):
            cursor.execute(
                f"INSERT INTO tasks_sealed (task_id, kid, blob, at) VALUES {', '.join([_ROW] * len(step))} "  # noqa: S608
                "ON CONFLICT (task_id) DO UPDATE SET kid = excluded.kid, blob = excluded.blob, at = excluded.at "
                "WHERE tasks_sealed.at <= excluded.at",
                [value for row in step for value in row],
            )


def kids(task_ids: Collection[int]) -> dict[int, str]:
    """Which of these tasks have a sealed original here, and the id of the key that it needs."""
    return dict(Sealed.objects.filter(pk__in=task_ids).values_list("pk", "kid"))


def told(environment_id: int, ids: Collection[str]) -> dict[str, OnWire]:
    """The sealed originals of these tasks, as they travel."""
    rows = Sealed.objects.filter(task__environment_id=environment_id, pk__in=numbers(ids))
    return {
        str(pk): OnWire(kid=kid, blob=base64.b64encode(bytes(blob)).decode())
        for pk, kid, blob in rows.values_list("pk", "kid", "blob")
    }

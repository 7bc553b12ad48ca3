"""Lists as files, streamed in steps however long they are, and the ledger's word on what left.

The ledger has an entry before the first byte (the action `task.export`) and one behind the last: how many rows, their
SHA-256, and whether it was all. What is broken off is recorded as that.
"""

from __future__ import annotations

import csv
import hashlib
import io
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from channels.db import SyncToAsync
from django.core.handlers.asgi import ASGIRequest
from django.db import transaction
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone

from z4j_brain.ledger import entries
from z4j_brain.ledger.states import Outcome, Phase
from z4j_brain.lib.sheet import harmless
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.tasks.models import Task

logger = logging.getLogger(__name__)

FACTS = (
    "id", "task_id", "engine", "name", "queue", "worker", "state", "attempt", "max_attempts", "priority", "retry_of",
    "retried_as", "root_id", "parent_id", "group_id", "schedule", "error_type", "error_reason", "eta", "expires",
    "first_at", "enqueued_at", "received_at", "started_at", "finished_at", "last_at", "runtime_ms",
    "cancel_requested_at", "cancel_requested_by", "trace_id",
)  # fmt: skip
#: What `view_payload` guards.
PAYLOAD = ("error_message", "args", "kwargs", "result")
TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}


class Export:
    """One export on its way. Iterated by whoever sends it, and closed by them however that ends."""

    def __init__(
        self,
        environment: Environment,
        steps: Iterator[list[Task]],
        form: str,
        payload: bool,
        actor: Actor,
        request: UUID,
    ) -> None:
        self._environment, self._actor, self._request = environment, actor, request
        self._chunks = self._render(steps, _FORMS[form], (*FACTS, *(PAYLOAD if payload else ())))
        self._hash = hashlib.sha256()
        self._rows = 0
        self._ended = self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        """Write the closing entry, once."""
        if self._closed:
            return
        self._closed = True
        told = {"rows": self._rows, "sha256": self._hash.hexdigest(), "complete": self._ended}
        try:
            with transaction.atomic():
                entries.append(
                    phase=Phase.RESULT,
                    action="task.export",
                    actor=self._actor,
                    outcome=Outcome.SUCCEEDED if self._ended else Outcome.FAILED,
                    project=self._environment.project.slug,
                    environment=self._environment.slug,
                    target=("environment", str(self._environment.pk)),
                    reason_code="" if self._ended else "broken_off",
                    params=told,
                    parent=self._request,
                )
        except Exception:
            logger.exception("export_unrecorded request=%s rows=%s", self._request, self._rows)

    def _render(
        self,
        steps: Iterator[list[Task]],
        form: Callable[[Iterable[list[Any]], tuple[str, ...]], str],
        names: tuple[str, ...],
    ) -> Iterator[bytes]:
        yield self._sent(form([list(names)], ()))
        for rows in steps:
            self._rows += len(rows)
            yield self._sent(form(([getattr(row, name) for name in names] for row in rows), names))
        self._ended = True

    def _sent(self, text: str) -> bytes:
        data = text.encode()
        self._hash.update(data)
        return data


class _Unhurried:
    """The same for a server that asks asynchronously: each step in the request's own thread, when it is wanted."""

    def __init__(self, export: Export) -> None:
        self._export, self.close = export, export.close

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = iter(self._export)

        def step() -> bytes | None:
            return next(chunks, None)

        while (chunk := await SyncToAsync(step)()) is not None:
            yield chunk


def response(request: HttpRequest, export: Export, environment: Environment, form: str) -> StreamingHttpResponse:
    content: Any = _Unhurried(export) if isinstance(request, ASGIRequest) else export
    answer = StreamingHttpResponse(content, content_type=TYPES[form])
    name = f"tasks-{environment.project.slug}-{environment.slug}-{timezone.now():%Y%m%d-%H%M%S}.{form}"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "no-store"
    return answer


def _as_csv(rows: Iterable[list[Any]], names: tuple[str, ...]) -> str:
    sheet = io.StringIO()
    csv.writer(sheet, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(
        [_cell(one) for one in row] for row in rows
    )
    return sheet.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return harmless(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _as_lines(rows: Iterable[list[Any]], names: tuple[str, ...]) -> str:
    """Nothing for the row of names: each line has them."""
    lines = (dict(zip(names, row, strict=True)) for row in rows) if names else ()
    return "".join(orjson.dumps(line, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE).decode() for line in lines)


_FORMS = {"csv": _as_csv, "jsonl": _as_lines}

"""The rows in which a database keeps Django's tasks."""

from __future__ import annotations

import functools
import importlib
from contextlib import suppress
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.apps import apps
from django.db import connection
from z4j_core.engine import Answer
from z4j_core.wire import Error, Reason


def closing(method: Any) -> Any:
    """Asked in the agent's thread, whose database connection is nobody else's and is not kept."""

    @functools.wraps(method)
    def closed(*args: Any, **kwargs: Any) -> Any:
        try:
            return result if isinstance(result := method(*args, **kwargs), Answer | bool) else list(result)
        finally:
            connection.close()

    return closed


def rows() -> Any:
    return apps.get_model("django_tasks_database", "DBTaskResult").objects


def at_once() -> datetime:
    """What stands for no time to wait for: the end of time."""
    return cast(datetime, importlib.import_module("django_tasks_db.models").get_date_max())


def row(task_id: str) -> Any:
    with suppress(ValueError):  # an id of another backend, or of nobody
        return rows().filter(pk=UUID(task_id)).first()
    return None


def error(task_result: Any) -> Error:
    """From the stored result: its type alone, since nobody knows what its traceback holds."""
    kind = task_result.errors[-1].exception_class_path.rpartition(".")[2] if task_result.errors else ""
    return Error(type=kind, message="", reason=Reason.EXCEPTION)


def micros(moment: datetime | None) -> int | None:
    """Microseconds since the epoch."""
    return None if moment is None or moment.year == 9999 else round(moment.timestamp() * 1_000_000)

"""Putting a task into the storage, in one step with a mark that it was: never twice, however often it is tried.

Each storage writes its queue in its own way, which is left to it: what it writes through is a transaction of ours. Of a
storage that knows no transactions nobody can tell afterwards whether a task came to it.
"""

from __future__ import annotations

import copy
import time
from typing import Any, Final

from huey import Huey
from huey.api import Task
from huey.storage import RedisStorage, SqliteStorage
from z4j_core import once
from z4j_core.engine import Target

#: Where a storage in SQLite keeps marks, beside results: a name no task has.
_MARK: Final = "z4j:once:"
#: Of the ids of tasks: one in 256.
_NOW_AND_THEN: Final = "00"


class _Transaction:
    """In place of a storage's own way to write: what it would write is collected."""

    def __init__(self, storage: Any) -> None:
        self.statements: list[tuple[str, Any]] = []
        self.storage = copy.copy(storage)
        self.storage.sql = self._sql

    def _sql(self, query: str, params: Any = None, commit: bool = False, results: bool = False) -> None:
        self.statements.append((query, params or ()))


class _Once:
    """In place of a storage, for one task."""

    def __init__(self, storage: Any, target: Target) -> None:
        self._storage, self._target = storage, target

    def enqueue(self, data: bytes, priority: Any = None) -> None:
        if isinstance(self._storage, RedisStorage):
            _into_redis(self._storage, self._target, data, priority)
        elif isinstance(self._storage, SqliteStorage):
            _into_sqlite(self._storage, self._target, data, priority)
        else:
            self._storage.enqueue(data, priority)


def send(huey: Huey, target: Target, task: Task) -> None:
    """As Huey does it; but not again what was sent for this target before, where the storage can tell."""
    twin = copy.copy(huey)
    twin.storage = _Once(huey.storage, target)
    twin.enqueue(task)


def has_sent(huey: Huey, target: Target) -> bool | None:
    """None: this storage keeps no trace of it."""
    storage: Any = huey.storage
    if isinstance(storage, RedisStorage):
        return bool(storage.conn.exists(once.mark(target)))
    if isinstance(storage, SqliteStorage):
        return bool(storage.has_data_for_key(_MARK + target.new_task_id()))
    return None


def _into_redis(storage: Any, target: Target, blob: bytes, priority: Any) -> None:
    twin = copy.copy(storage)
    with storage.conn.pipeline() as pipe:
        pipe.watch(once.mark(target))
        if pipe.exists(once.mark(target)):
            return
        pipe.multi()
        twin.conn = pipe
        twin.enqueue(blob, priority)
        pipe.set(once.mark(target), "1", ex=once.life(target))
        try:
            pipe.execute()
        except Exception:
            if not storage.conn.exists(once.mark(target)):  # nobody else was faster: it went wrong
                raise


def _into_sqlite(storage: Any, target: Target, blob: bytes, priority: Any) -> None:
    collected = _Transaction(storage)
    collected.storage.enqueue(blob, priority)
    task_id = target.new_task_id()
    until = b"%d" % (time.time() + once.life(target))
    mark = (storage.name, _MARK + task_id, getattr(storage, "to_blob", memoryview)(until))
    with storage.db(commit=True) as cursor:
        known = "select 1 from kv where queue = ? and key = ?"
        if cursor.execute(known, mark[:2]).fetchone() is None:
            for query, params in collected.statements:
                cursor.execute(query, params)
            cursor.execute("insert into kv (queue, key, value) values (?, ?, ?)", mark)
        if task_id.endswith(_NOW_AND_THEN):
            _forget(cursor, storage.name)


def _forget(cursor: Any, name: str) -> None:
    """The marks whose time has passed: nothing in SQLite expires by itself. Moments of ten digits compare as bytes."""
    old = "delete from kv where queue = ? and key >= ? and key < ? and value < ?"
    cursor.execute(old, (name, _MARK, _MARK[:-1] + ";", b"%d" % time.time()))

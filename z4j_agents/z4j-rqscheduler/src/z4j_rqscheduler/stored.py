"""What rq-scheduler and RQ keep of a job in Redis, read and changed field by field: a worker may write the rest."""

from __future__ import annotations

import json
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from rq.job import Job
from rq.queue import Queue

from z4j_rqscheduler.known import function_of, named_in
from z4j_rqscheduler.plans import Wish

_KEPT: Final = ("origin", "description", "timeout", "result_ttl", "failure_ttl", "ttl")

_FIELDS: Final = ("data", "description", "origin", "status", "started_at", "repeats_left", "repeat_intervals")


@dataclass(frozen=True, slots=True)
class Kept:
    """A job as Redis has it, nothing of it opened. `call` only where it is JSON."""

    id: str
    task: str
    queue: str
    status: str
    started: bool
    repeats: int | None
    intervals: tuple[int, ...]
    call: tuple[tuple[Any, ...], dict[str, Any]] | None

    @property
    def is_schedule(self) -> bool:
        """One that ran before and does not repeat waits for another attempt."""
        return self.repeats is not None or not self.started


def read(connection: Any, job_ids: list[str]) -> list[Kept]:
    """Those that are there still."""
    with connection.pipeline(transaction=False) as pipe:
        for job_id in job_ids:
            pipe.hmget(f"rq:job:{job_id}", _FIELDS)
        rows = pipe.execute()
    return [_kept(job_id, row) for job_id, row in zip(job_ids, rows, strict=True) if row[2] is not None]


def _kept(job_id: str, row: list[bytes | None]) -> Kept:
    body = _body(row[0] or b"")
    description, origin, status, started, repeats, intervals = [(part or b"").decode() for part in row[1:]]
    return Kept(
        job_id,
        named_in(body, description),
        origin,
        status,
        bool(started),
        int(repeats) if repeats else None,
        tuple(json.loads(intervals or "[0]")),
        _call(body),
    )


def _body(data: bytes) -> bytes:
    with suppress(zlib.error):
        return zlib.decompress(data)
    return data


def _call(body: bytes) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    with suppress(ValueError, TypeError):
        _, _, args, kwargs = json.loads(body)
        return tuple(args), dict(kwargs)
    return None


def rewrite(job: Job, asked: Wish) -> None:
    """Other arguments, another queue. Arguments that are to stay are opened as RQ does."""
    fields: dict[Any, Any] = {}
    if asked.args is not None or asked.kwargs is not None:
        name = function_of(job)
        args = tuple(job.args) if asked.args is None else asked.args
        kwargs = dict(job.kwargs) if asked.kwargs is None else asked.kwargs
        job.func_name, job.instance, job.args, job.kwargs = name, None, args, kwargs
        fields |= {"data": zlib.compress(job.data), "description": job.get_call_string() or name}
    if asked.queue is not None:
        job.origin = asked.queue
        fields["origin"] = asked.queue
    if fields:
        job.connection.hset(job.key, mapping=fields)


def copy_of(job: Job, task_id: str) -> Job:
    """The same call under another id, not enqueued yet. Its body stays closed."""
    made = type(job)(task_id, connection=job.connection, serializer=job.serializer)
    for name in _KEPT:
        setattr(made, name, getattr(job, name, None))
    # Kept for ever only because it comes back: this one does not.
    made.result_ttl = None if made.result_ttl == -1 else made.result_ttl
    made.data = job.data
    return made


def send_copy(job: Job, task_id: str) -> None:
    """Once, however often it is asked for under that id."""
    if not type(job).exists(task_id, connection=job.connection):
        queue = Queue(job.origin, connection=job.connection, serializer=job.serializer)
        queue.enqueue_job(copy_of(job, task_id))

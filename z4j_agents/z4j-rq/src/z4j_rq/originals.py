"""The original of a job: RQ keeps it in Redis while it keeps the job; after that the vault has a copy.

`data` is what RQ serialised: function, arguments, all of it. It is carried as it is, and opened by RQ alone.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from rq import Queue
from rq.job import Job
from z4j_core.engine import Target

_KEPT: Final = ("origin", "description", "timeout", "result_ttl", "failure_ttl", "ttl", "retry_intervals")


def pack(job: Job) -> bytes:
    """Everything it takes to enqueue the job again."""
    kept: dict[str, Any] = {name: getattr(job, name, None) for name in _KEPT}
    kept["retries"] = None if job.retries_left is None else job.retries_left + (job.number_of_retries or 0)
    return json.dumps({**kept, "data": base64.b64encode(job.data).decode()}).encode()


def unpack(blob: bytes) -> dict[str, Any]:
    return dict(json.loads(blob))


def of(job: Job) -> dict[str, Any]:
    return unpack(pack(job))


def renewed(packed: Mapping[str, Any], target: Target, queue: Queue) -> Job:
    """The same job under a new id, not enqueued yet."""
    job = queue.job_class(target.new_task_id(), connection=queue.connection, serializer=queue.serializer)
    for name in _KEPT:
        setattr(job, name, packed.get(name))
    job.data = base64.b64decode(packed["data"])
    job.retries_left = packed.get("retries")
    return job

"""The original of a job: arq keeps it while it waits and as long as its result; after that the vault has a copy.

A job is carried as arq serialised it, and opened by arq's own deserialiser in this process alone.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from arq.connections import ArqRedis
from arq.constants import job_key_prefix, result_key_prefix
from arq.jobs import deserialize_job_raw, deserialize_result
from z4j_core.engine import Host


@dataclass(frozen=True, slots=True)
class Original:
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    queue: str


def pack(queue: str, job: bytes) -> bytes:
    """`job`: as arq has it in Redis."""
    return json.dumps({"queue": queue, "job": base64.b64encode(job).decode()}).encode()


def unpack(blob: bytes, deserializer: Any) -> Original:
    kept = json.loads(blob)
    name, args, kwargs, *_ = deserialize_job_raw(base64.b64decode(kept["job"]), deserializer=deserializer)
    return Original(name, tuple(args), dict(kwargs), str(kept["queue"]))


async def stored(pool: ArqRedis, job_id: str, queue: str) -> Original | None:
    """What arq has of it: with its result, or while it waits or runs; then `queue` is where it was seen."""
    result, job = await pool.mget(result_key_prefix + job_id, job_key_prefix + job_id)
    if result:
        ended = deserialize_result(result, deserializer=pool.job_deserializer)
        # What arq could not read or find, it has no arguments of.
        if ended.function != "<unknown>":
            return Original(ended.function, tuple(ended.args), dict(ended.kwargs), ended.queue_name)
    if job:
        name, args, kwargs, *_ = deserialize_job_raw(job, deserializer=pool.job_deserializer)
        return Original(name, tuple(args), dict(kwargs), queue)
    return None


def keep_expiry(host: Host, job_id: str, microseconds: int) -> None:
    """How long a job may wait is known to who sends it alone: arq keeps what is left of it."""
    host.keep(_expiry(job_id), str(microseconds).encode())


def expiry(host: Host, job_id: str) -> int:
    """Microseconds; 0 when its sender said nothing."""
    kept = host.original(_expiry(job_id))
    return int(kept) if kept else 0


def _expiry(job_id: str) -> str:
    return f"{job_id}/expiry"

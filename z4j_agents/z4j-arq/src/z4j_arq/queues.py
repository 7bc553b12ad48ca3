"""What waits in arq's queues, and what its store knows of a job. A job stays in its queue while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix, job_key_prefix, result_key_prefix, retry_key_prefix
from arq.jobs import deserialize_job, deserialize_result
from z4j_core.engine import Engine, Target, verb
from z4j_core.safety import guard
from z4j_core.wire import Kind, QueueFacts, Source

from z4j_arq.broker import Broker
from z4j_arq.facts import ENGINE, milliseconds, verdict, without_nothing
from z4j_arq.hooks import Hooks

#: Jobs of a queue that are looked at one by one, to tell those that run from those that wait.
DEEP: Final = 1000


class Queues(Engine):
    hooks: Hooks | None
    broker: Broker | None
    known_queues: dict[str, None]

    @property
    def redis(self) -> Broker:
        if self.broker is None:
            raise LookupError("this process has no settings of a worker")
        return self.broker

    @verb(note="one sorted set in Redis each: a worker has one queue, others are known when jobs go to them from here")
    def queues(self) -> Iterable[QueueFacts]:
        async def measured(pool: ArqRedis) -> list[QueueFacts]:
            return [await self._measured(pool, name) for name in dict.fromkeys([self.redis.queue, *self.known_queues])]

        return self.redis.ask(measured)

    async def _measured(self, pool: ArqRedis, name: str) -> QueueFacts:
        now = round(time.time() * 1000)
        due, delayed = await pool.zcount(name, "-inf", now), await pool.zcount(name, f"({now}", "+inf")
        first = await pool.zrangebyscore(name, "-inf", now, start=0, num=DEEP, withscores=True)
        running = await _running(pool, [job_id for job_id, _ in first])
        oldest = next((score for (_, score), runs in zip(first, running, strict=True) if not runs), None)
        facts = {
            "name": name,
            "depth": due - sum(running),
            "delayed": delayed,
            "in_flight": sum(running),
            "oldest": round(oldest * 1000) if oldest is not None else None,
            "exact": due <= DEEP,
        }
        return cast(QueueFacts, without_nothing(facts))

    @verb(note="reads the sorted set in Redis and the jobs it names; those that wait for their time come last")
    def peek(self, queue: str, limit: int) -> Iterable[Mapping[str, Any]]:
        async def listed(pool: ArqRedis) -> list[dict[str, Any]]:
            found = await pool.zrange(queue, 0, limit + DEEP - 1, withscores=True)
            running = await _running(pool, [job_id for job_id, _ in found])
            waiting = [one for one, runs in zip(found, running, strict=True) if not runs][:limit]
            if not waiting:
                return []
            jobs = await pool.mget([job_key_prefix + job_id.decode() for job_id, _ in waiting])
            tries = await pool.mget([retry_key_prefix + job_id.decode() for job_id, _ in waiting])
            told = (
                self._waits(pool, job_id.decode(), queue, job, starts, score)
                for (job_id, score), job, starts in zip(waiting, jobs, tries, strict=True)
            )
            return [event for event in told if event is not None]

        return self.redis.ask(listed)

    @verb(note="reads the job's result, its place in the queue, and whether a worker holds it")
    def lookup(self, targets: Sequence[Target]) -> Iterable[Mapping[str, Any]]:
        async def found(pool: ArqRedis) -> list[dict[str, Any]]:
            told = [await self._known(pool, target) for target in targets]
            return [event for event in told if event is not None]

        return self.redis.ask(found)

    async def _known(self, pool: ArqRedis, target: Target) -> dict[str, Any] | None:
        queue, job_id = target.queue or self.redis.queue, target.task_id
        pipe = pool.pipeline(transaction=True)
        pipe.mget(result_key_prefix + job_id, job_key_prefix + job_id, retry_key_prefix + job_id)
        pipe.exists(in_progress_key_prefix + job_id)
        pipe.zscore(queue, job_id)
        (result, job, starts), runs, score = await pipe.execute()
        if result:
            return self._ended(pool, job_id, result)
        if runs:
            # A worker that was killed holds it until this key expires; then arq runs it again.
            event = {"kind": Kind.TASK_STARTED, "engine": ENGINE, "task_id": job_id, "queue": queue}
            return event | {"attempt": max(int(starts or 1) - 1, 0), "source": Source.RECONCILE}
        return self._waits(pool, job_id, queue, job, starts, score) if score is not None else None

    def _ended(self, pool: ArqRedis, job_id: str, blob: bytes) -> dict[str, Any] | None:
        with guard("arq.lookup"):
            assert self.hooks is not None
            result = deserialize_result(blob, deserializer=pool.job_deserializer)
            redactor = self.hooks.redactor(result.function)
            found = verdict(result.success, result.result, redactor)
            told: dict[str, Any] = {"kind": found.kind, "engine": ENGINE, "task_id": job_id, "error": found.error}
            told |= {"queue": result.queue_name, "attempt": max(result.job_try - 1 - found.spent, 0)}
            told["ts"] = milliseconds(result.finish_time) * 1000
            if result.function != "<unknown>":
                told["name"] = result.function
            if result.success:
                told["result"] = redactor.value(result.result)[0]
                told["runtime_ms"] = float(milliseconds(result.finish_time) - milliseconds(result.start_time))
            return without_nothing({**told, "source": Source.RECONCILE})
        return None

    def _waits(
        self, pool: ArqRedis, job_id: str, queue: str, blob: bytes | None, starts: bytes | None, score: float
    ) -> dict[str, Any] | None:
        """As the event that would tell of it. One that has expired in the queue is still there, without arguments."""
        with guard("arq.peek"):
            told: dict[str, Any] = {"kind": Kind.TASK_ENQUEUED, "engine": ENGINE, "task_id": job_id, "queue": queue}
            told |= {"attempt": int(starts or 0), "eta": round(score * 1000) if score > time.time() * 1000 else None}
            if blob and self.hooks is not None:
                job = deserialize_job(blob, deserializer=pool.job_deserializer)
                told |= {"name": job.function, "ts": milliseconds(job.enqueue_time) * 1000}
                told |= self.hooks.arguments(job.function, tuple(job.args), job.kwargs)
            return without_nothing({**told, "source": Source.RECONCILE})
        return None


async def _running(pool: ArqRedis, ids: Sequence[bytes]) -> list[bool]:
    """Which of these jobs a worker holds."""
    pipe = pool.pipeline(transaction=False)
    for job_id in ids:
        pipe.exists(in_progress_key_prefix + job_id.decode())
    return [bool(held) for held in await pipe.execute()] if ids else []

"""Enqueueing a job in one step with a mark that it was: never twice, however often it is tried."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix, job_key_prefix, result_key_prefix
from arq.jobs import serialize_job
from z4j_core import once
from z4j_core.engine import Target
from z4j_core.wire import Source

from z4j_arq.facts import now
from z4j_arq.queues import Queues


class Sending(Queues):
    def landed(self, target: Target) -> bool:
        """Its mark is set in one step with enqueueing it. One from before there were marks may still be known."""
        job_id = target.new_task_id()
        keys = (once.mark(target), job_key_prefix + job_id, in_progress_key_prefix + job_id, result_key_prefix + job_id)
        return bool(self.redis.ask(lambda pool: pool.exists(*keys)))

    def session(self) -> AbstractContextManager[object]:
        return self.redis.held() if self.broker is not None else nullcontext()

    def enqueue(
        self,
        target: Target,
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        queue: str,
        life: int = 0,
        **told: Any,
    ) -> None:
        """As arq does it, but in one step with its mark. `life`: how long it may wait, in microseconds; 0: as usual."""
        job_id, sent = target.new_task_id(), now()

        async def send(pool: ArqRedis) -> tuple[bool, int, Any]:
            at, usual = sent // 1000, pool.expires_extra_ms
            job = serialize_job(name, args, kwargs, None, at, serializer=pool.job_serializer)
            keep = ("PSETEX", job_key_prefix + job_id, life // 1000 or usual, job)
            line: Any = pool.eval(*once.script(target, keep, ("ZADD", queue, at, job_id)))  # type: ignore[arg-type]
            return bool(await line), usual * 1000, pool.job_serializer

        is_new, usual, serializer = self.redis.ask(send)
        if is_new and self.hooks is not None:
            told |= {"ts": sent, "queue": queue, "source": Source.ACTION, "life": usual, "serializer": serializer}
            options = {"_expires": life / 1_000_000} if life else {}
            self.hooks.enqueued(job_id, name, args, {**kwargs, **options}, **told)

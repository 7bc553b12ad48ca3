"""Where a pool and a worker are watched: on the instance, over the methods of its class, and taken off again."""

from __future__ import annotations

import copy
import functools
from collections.abc import Awaitable, Callable
from typing import Any, Final

from arq.connections import ArqRedis
from arq.cron import CronJob
from arq.worker import Function, Worker, func
from z4j_core.redaction import Parameters

from z4j_arq.facts import HELLO, now
from z4j_arq.hooks import Hooks

_ABSENT: Final = object()


async def hello(ctx: dict[str, Any]) -> str:
    """The job of ours that goes the way of every job."""
    return "hello"


def parameters(coroutine: Callable[..., Any]) -> Parameters:
    """Without the context, which arq gives."""
    return Parameters.of(coroutine, given=1)


class Seam:
    """Methods put on an instance. It does not keep the instance alive."""

    def __init__(self, instance: object, **methods: Callable[..., Any]) -> None:
        self._before = {name: vars(instance).get(name, _ABSENT) for name in methods}
        vars(instance).update(methods)

    def remove(self, instance: object) -> None:
        """From the instance it was made for."""
        for name, before in self._before.items():
            if before is _ABSENT:
                vars(instance).pop(name, None)
            else:
                vars(instance)[name] = before


def watch_pool(pool: ArqRedis, hooks: Hooks) -> Seam:
    """Tells what a pool enqueues."""
    return Seam(pool, enqueue_job=_enqueue_job(pool, hooks))


def _enqueue_job(pool: ArqRedis, hooks: Hooks) -> Callable[..., Awaitable[Any]]:
    original = pool.enqueue_job

    @functools.wraps(original)
    async def enqueue_job(function: str, *args: Any, **given: Any) -> Any:
        sent = now()
        job = await original(function, *args, **given)
        if job is not None:
            queue = given.get("_queue_name") or pool.default_queue_name
            life, serializer = pool.expires_extra_ms * 1000, pool.job_serializer
            hooks.enqueued(job.job_id, function, args, given, ts=sent, queue=queue, life=life, serializer=serializer)
        return job

    return enqueue_job


class WorkerSeam(Seam):
    """Tells what a worker takes, runs and finishes, and lets it run a hello."""

    def __init__(self, worker: Worker, hooks: Hooks) -> None:
        super().__init__(
            worker,
            run_job=_run_job(worker, hooks),
            finish_job=_finish_job(worker, hooks),
            finish_failed_job=_finish_failed_job(worker, hooks),
        )
        self._functions = dict(worker.functions)
        for name, function in self._functions.items():
            hooks.parameters[name] = parameters(function.coroutine)
            worker.functions[name] = _watched(name, function, hooks)
        ours = func(hello, name=HELLO, timeout=30, keep_result=600, max_tries=1)
        worker.functions[HELLO] = _watched(HELLO, ours, hooks)

    def remove(self, instance: object) -> None:
        super().remove(instance)
        if isinstance(instance, Worker):
            instance.functions.clear()
            instance.functions.update(self._functions)


def _watched(name: str, function: Function | CronJob, hooks: Hooks) -> Function | CronJob:
    """A copy with a coroutine that tells when it begins and how it ends; the user's own is left as it is."""
    coroutine = function.coroutine

    @functools.wraps(coroutine)
    async def job(ctx: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        run = hooks.started(ctx, name, function, args, kwargs)
        try:
            result = await coroutine(ctx, *args, **kwargs)
        except BaseException as error:
            hooks.raised(run, error)
            raise
        hooks.returned(run, result)
        return result

    watched = copy.copy(function)
    watched.coroutine = job
    return watched


def _run_job(worker: Worker, hooks: Hooks) -> Callable[[str, int], Awaitable[None]]:
    original = worker.run_job

    async def run_job(job_id: str, score: int) -> None:
        hooks.took(job_id, score)
        try:
            await original(job_id, score)
        finally:
            hooks.left(job_id)

    return run_job


def _finish_job(worker: Worker, hooks: Hooks) -> Callable[..., Awaitable[None]]:
    original = worker.finish_job

    async def finish_job(
        job_id: str, finish: bool, result: Any, life: Any, forever: Any, delay: int | None, *rest: Any
    ) -> None:
        await original(job_id, finish, result, life, forever, delay, *rest)
        hooks.finished(job_id, finish, delay)

    return finish_job


def _finish_failed_job(worker: Worker, hooks: Hooks) -> Callable[..., Awaitable[None]]:
    original = worker.finish_failed_job

    async def finish_failed_job(job_id: str, result: bytes | None) -> None:
        await original(job_id, result)
        hooks.given_up(job_id, result)

    return finish_failed_job

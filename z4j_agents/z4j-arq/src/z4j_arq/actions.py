"""What people may ask of arq's jobs, queues and workers. It runs in the agent's thread of a worker.

What needs Redis alone works while a job blocks the worker's loop; what needs the loop is refused then.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from arq.connections import ArqRedis
from arq.constants import abort_jobs_ss, in_progress_key_prefix, result_key_prefix
from arq.cron import CronJob
from arq.jobs import deserialize_job_raw
from arq.utils import timestamp_ms
from arq.worker import Worker
from z4j_core.engine import Answer, Target, emulated, verb
from z4j_core.safety import guard
from z4j_core.verbs import VERBS
from z4j_core.wire import Kind, Outcome, Source

from z4j_arq import originals
from z4j_arq.bridge import Busy, on_loop
from z4j_arq.broker import BATCH, NotAQueue, Taken, take
from z4j_arq.facts import HELLO, OPTIONS, now, without_nothing
from z4j_arq.sending import Sending

PAUSE: Final = "arq.pause."
#: Verbs that need no more than the settings of a worker.
_ANYWHERE: Final = ("hello",)
#: Seconds that emptying a queue may take.
LONG: Final = 20.0
_BUSY: Final = Answer(
    Outcome.FAILED, "A job blocks this worker's loop, which did not answer in time; nothing was changed. Try again."
)


class Actions(Sending):
    lacks: ClassVar[Mapping[str, str]] = {
        "requeue": "arq keeps no dead letters: retry the failed job.",
        "autoscale": "arq has no limits to scale between; grow and shrink change how many jobs run at once.",
        "restart_pool": "arq runs its jobs in one process, there is no pool: stop the worker.",
        "restart": "arq cannot start itself again; use stop, and let its supervisor start another.",
        "rate_limit": "arq limits how many jobs run at once, not how often they start.",
        "time_limit": "The timeout of a job stands in the worker's settings and is read when the worker starts.",
    }
    arq_worker: Worker | None
    loop: asyncio.AbstractEventLoop | None
    is_paused: bool

    def obstacle(self, verb: str) -> str:
        if why := self.lacks.get(verb, ""):
            return why
        if self.arq_worker is None and verb in VERBS and not (verb in _ANYWHERE and self.broker is not None):
            return "Only a worker can do this; this process enqueues jobs."
        if self.broker is None and verb in ("queues", "peek", "lookup"):
            return "This process has no settings of a worker."
        return ""

    # On a job.

    @emulated(note="enqueues function and arguments again under a new id; arq keeps them as long as the result")
    def retry(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._again(target, None)

    @verb(note="enqueues the same function with other arguments, under a new id")
    def retry_with(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._again(target, params)

    def _again(self, target: Target, given: Mapping[str, Any] | None) -> Answer:
        assert self.host is not None
        original = self._original(target)
        if original is None:
            return Answer(Outcome.ARGS_UNAVAILABLE, "arq no longer keeps the job, and no copy of it is kept here.")
        args, kwargs = original.args, original.kwargs
        if given is not None:
            args, kwargs = tuple(given.get("args") or ()), dict(given.get("kwargs") or {})
            if why := _taken(kwargs):
                return Answer(Outcome.FAILED, why)
        life = originals.expiry(self.host, target.task_id)
        self.enqueue(target, original.name, args, kwargs, original.queue, life, retry_of=target.task_id)
        return Answer(Outcome.DONE, new_task_id=target.new_task_id())

    @verb(note="enqueues a function of this worker")
    def run(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.arq_worker is not None
        function = self.arq_worker.functions.get(target.name)
        if function is None or isinstance(function, CronJob):
            return Answer(Outcome.NOT_FOUND, "This worker has no function of that name.")
        args, kwargs = tuple(params.get("args") or ()), dict(params.get("kwargs") or {})
        if why := _taken(kwargs):
            return Answer(Outcome.FAILED, why)
        self.enqueue(target, target.name, args, kwargs, target.queue or self.redis.queue)
        return Answer(Outcome.DONE, new_task_id=target.new_task_id())

    def _original(self, target: Target) -> originals.Original | None:
        assert self.host is not None
        queue = target.queue or self.redis.queue
        found = self.redis.ask(lambda pool: originals.stored(pool, target.task_id, queue))
        blob = self.host.original(target.task_id) if found is None else None
        if blob is None or self.arq_worker is None:
            return found
        return originals.unpack(blob, self.arq_worker.job_deserializer)

    @emulated(
        note="a waiting job is deleted; into a running one a cancellation is raised, which blocking code is deaf to"
    )
    def cancel(self, target: Target, params: Mapping[str, Any]) -> Answer:
        worker = self.arq_worker
        assert worker is not None
        if target.task_id in worker.job_tasks:
            try:
                if on_loop(self._loop, lambda: _abort(worker, target.task_id)):
                    return Answer(Outcome.REQUESTED, "A cancellation was raised in it.")
            except Busy:
                return _BUSY
        if self.hooks is not None and target.task_id in self.hooks.runs:
            return Answer(Outcome.FAILED, "It is just beginning or ending; ask again.")
        return self.redis.ask(lambda pool: self._cancel_elsewhere(pool, target))

    async def _cancel_elsewhere(self, pool: ArqRedis, target: Target) -> Answer:
        assert self.arq_worker is not None
        queue = target.queue or self.redis.queue
        if taken := await take(pool, queue, [target.task_id]):
            self._tell(Kind.TASK_CANCELLED, taken[0], queue)
            return Answer(Outcome.DONE, "It was taken out of its queue.")
        if await pool.exists(result_key_prefix + target.task_id):
            return Answer(Outcome.ALREADY_FINAL, "The job has already ended.")
        if not await pool.exists(in_progress_key_prefix + target.task_id):
            return Answer(Outcome.NOT_FOUND, "arq does not know this job, or does no longer.")
        if not self.arq_worker.allow_abort_jobs:
            return Answer(Outcome.UNSUPPORTED, "Another worker holds it, and allow_abort_jobs is off: ask that worker.")
        await pool.zadd(abort_jobs_ss, {target.task_id: timestamp_ms()})
        return Answer(Outcome.REQUESTED, "The worker that runs it was asked to cancel it.")

    @emulated(note="taken out of one sorted set and put into the other, under its own id and with its time")
    def move(self, target: Target, params: Mapping[str, Any]) -> Answer:
        queue, to = target.queue or self.redis.queue, str(params.get("queue") or "")
        if not to or to == queue:
            return Answer(Outcome.FAILED, "It takes the name of another queue.")
        try:
            taken = self.redis.ask(lambda pool: take(pool, queue, [target.task_id], to))
        except NotAQueue:
            return Answer(Outcome.NOT_FOUND, f"Redis keeps something else than a queue under the name {to}.")
        if not taken:
            return Answer(Outcome.NOT_FOUND, "It does not wait in this queue.")
        self.known_queues[to] = None
        due = taken[0][3]
        self._tell(Kind.TASK_ENQUEUED, taken[0], to, eta=due * 1000 if due * 1000 > now() else None)
        return Answer(Outcome.DONE, f"It waits in {to}.")

    def _tell(self, kind: Kind, taken: Taken, queue: str, **more: Any) -> None:
        """What became of a waiting job."""
        assert self.hooks is not None and self.host is not None
        job_id, job, starts, _ = taken
        name = ""
        with guard("arq.tell"):
            load = self.arq_worker.job_deserializer if self.arq_worker is not None else None
            name = deserialize_job_raw(job, deserializer=load)[0] if job else ""
        event = {"kind": kind, **self.hooks.identity(job_id, name, starts), "queue": queue, "source": Source.ACTION}
        self.host.emit(without_nothing({**event, **more}))

    # On a queue.

    @emulated(note="deletes the jobs that wait; running ones stay, and those that wait for their time")
    def purge(self, target: Target, params: Mapping[str, Any]) -> Answer:
        queue = target.queue or self.redis.queue
        if queue != self.redis.queue and queue not in self.known_queues:
            return Answer(Outcome.NOT_FOUND, f"This worker's queue is {self.redis.queue}.")
        until = timestamp_ms()

        async def emptied(pool: ArqRedis) -> list[Taken]:
            ids = [job_id.decode() for job_id in await pool.zrangebyscore(queue, "-inf", until)]
            taken = []
            for start in range(0, len(ids), BATCH):
                taken += await take(pool, queue, ids[start : start + BATCH])
            return taken

        taken: Sequence[Taken] = self.redis.ask(emptied, LONG)
        for one in taken:
            self._tell(Kind.TASK_CANCELLED, one, queue)
        return Answer(Outcome.DONE, f"{len(taken)} waiting jobs were deleted; those that wait for their time stay.")

    @emulated(note="this worker, which has one queue, takes nothing more; what it has taken it finishes")
    def pause(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._hold(target, hold=True)

    @emulated(note="this worker takes jobs again")
    def resume(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._hold(target, hold=False)

    def _hold(self, target: Target, *, hold: bool) -> Answer:
        assert self.host is not None and self.arq_worker is not None
        queue = self.arq_worker.queue_name
        if target.queue not in ("", queue):
            return Answer(Outcome.NOT_FOUND, f"This worker's queue is {queue}.")
        if hold:
            self.host.state.put(PAUSE + queue, b"1")
            self.is_paused, self.arq_worker.allow_pick_jobs = True, False
        else:
            self.host.state.delete(PAUSE + queue)
            if self.is_paused:  # a worker that is about to stop has stopped taking jobs by itself
                self.is_paused, self.arq_worker.allow_pick_jobs = False, True
        return Answer(Outcome.DONE)

    # On this worker.

    @emulated(note="raises max_jobs and the semaphore behind it, until the worker is started again")
    def grow(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._resize(_number(params))

    @emulated(note="lowers max_jobs, until the worker is started again; jobs that run are not disturbed")
    def shrink(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._resize(-_number(params))

    def _resize(self, by: int) -> Answer:
        worker = self.arq_worker
        assert worker is not None

        def resize() -> int:
            worker.max_jobs = max(worker.max_jobs + by, 1)
            # One slot more than there are jobs, as arq makes it. A semaphore that is too large does no harm.
            slots: Any = worker.sem
            for _ in range(worker.max_jobs + 1 - slots._bound_value):
                slots._bound_value += 1
                slots.release()
            return worker.max_jobs

        try:
            return Answer(Outcome.DONE, f"{on_loop(self._loop, resize)} jobs at once.")
        except Busy:
            return _BUSY

    @emulated(note="as on SIGTERM: jobs that run are run again, unless job_completion_wait gives them time")
    def stop(self, target: Target, params: Mapping[str, Any]) -> Answer:
        worker = self.arq_worker
        assert worker is not None
        waits = worker._job_completion_wait
        end = worker.handle_sig_wait_for_completion if waits else worker.handle_sig
        try:
            on_loop(self._loop, lambda: end(signal.SIGTERM))
        except Busy:
            return _BUSY
        return Answer(Outcome.REQUESTED, f"It ends within {waits} s; what still runs then is run again.")

    @verb(note="enqueues a job of ours")
    def hello(self, target: Target, params: Mapping[str, Any]) -> Answer:
        queue = str(params.get("queue") or target.queue or self.redis.queue)
        self.enqueue(target, HELLO, (), {}, queue)
        return Answer(Outcome.DONE, new_task_id=target.new_task_id())

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        if self.loop is None:
            raise LookupError("this process is not a worker")
        return self.loop


def _taken(kwargs: Mapping[str, Any]) -> str:
    """Why a job cannot have these, as a sentence; empty when it can."""
    return next((f"arq keeps the argument {name} to itself." for name in OPTIONS if name in kwargs), "")


def _abort(worker: Worker, job_id: str) -> bool:
    """In the loop. False: it has just ended."""
    task = worker.job_tasks.get(job_id)
    if task is None:
        return False
    worker.aborting_tasks.add(job_id)
    return task.cancel()


def _number(params: Mapping[str, Any]) -> int:
    by = params.get("by", 1)
    return by if isinstance(by, int) and 0 < by <= 100 else 1

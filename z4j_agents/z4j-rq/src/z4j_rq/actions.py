"""What people may ask of RQ's jobs, queues and workers. All of it runs in the agent's thread of a worker."""

from __future__ import annotations

import json
import math
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import rq
from rq.command import send_shutdown_command, send_stop_job_command
from rq.job import Job, JobStatus
from z4j_core import once
from z4j_core.engine import Answer, Target, emulated, verb
from z4j_core.verbs import VERBS
from z4j_core.wire import Kind, Outcome, Source

from z4j_rq import originals
from z4j_rq.bodies import function_of, name_of
from z4j_rq.facts import ENDS, now
from z4j_rq.functions import Functions, queue_of
from z4j_rq.producer import known_queue
from z4j_rq.queues import Queues

try:
    from rq import rate_limit as rate_limits
except ImportError:  # before RQ 3
    rate_limits = None  # type: ignore[assignment]

PAUSE: Final = "rq.pause."
LIMIT: Final = "rq.limit."
#: What a process that only enqueues can do as well.
_TRIED: Final = ("hello", "queues", "peek", "lookup")
_BOUND: Final = "It is a method of an object, or its function cannot be read without running code of the job's."
#: Tenths of a second that a worker may take from its queue to its process.
_MOMENTS: Final = 30
#: From one queue into another, or not at all: what can fail comes before the job leaves its queue.
_MOVE: Final = """
redis.call('rpush', KEYS[2], ARGV[1])
if redis.call('lrem', KEYS[1], 1, ARGV[1]) == 0 then
  redis.call('lrem', KEYS[2], -1, ARGV[1])
  return 0
end
redis.call('sadd', KEYS[3], KEYS[2])
redis.call('hset', KEYS[4], 'origin', ARGV[2])
return 1
"""
_ONE: Final = "An RQ worker runs one job at a time; start more workers, or a larger worker-pool."


class Actions(Queues):
    lacks: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("grow", "shrink", "autoscale"), _ONE),
        "restart_pool": "An RQ worker has no pool: each job is run by a fork of its own.",
    }
    paused: set[str]
    functions: Functions | None

    def obstacle(self, verb: str) -> str:
        if why := self.lacks.get(verb, ""):
            return why
        if self.rq_worker is None and verb in _TRIED:
            return "" if known_queue() else "No queue of RQ is known in this process: name a module that holds one."
        if self.rq_worker is None and verb in VERBS:
            return "Only a worker can do this; this process enqueues jobs."
        if verb == "rate_limit" and rate_limits is None:
            return "This release of RQ has no rate limits; they came with RQ 3."
        if verb == "restart" and not _in_pool():
            return "It was started by `rq worker`, which nothing starts again; use stop, or run `rq worker-pool`."
        return ""

    # On a job.

    @verb(note="enqueues a copy of the job under a new id; RQ keeps the original as long as it keeps the job")
    def retry(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._again(target, None)

    @emulated(note="enqueues the same function with other arguments under a new id")
    def retry_with(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._again(target, params)

    def _again(self, target: Target, given: Mapping[str, Any] | None) -> Answer:
        packed = self._original(target.task_id)
        if packed is None:
            return Answer(Outcome.ARGS_UNAVAILABLE, "RQ no longer keeps the job, and no copy of it is kept here.")
        queue = self.queue(packed["origin"])
        job = originals.renewed(packed, target, queue)
        if given is not None and not _exchange(job, given):
            return Answer(Outcome.UNSUPPORTED, _BOUND)
        return self._enqueue(target, queue, job)

    @verb(note="enqueues a function that this worker has registered, or has run before, the way users do")
    def run(self, target: Target, params: Mapping[str, Any]) -> Answer:
        known = self.known_functions().get(target.name)
        if known is None:
            return Answer(Outcome.NOT_FOUND, "No function of that name is registered here, or has run here before.")
        queue = self.queue(target.queue or queue_of(known) or self.queue_names()[0])
        args, kwargs = tuple(params.get("args") or ()), dict(params.get("kwargs") or {})
        job = queue.create_job(target.name, args=args, kwargs=kwargs, job_id=target.new_task_id())
        return self._enqueue(target, queue, job)

    def known_functions(self) -> dict[str, dict[str, Any]]:
        return self.functions.all() if self.functions is not None else {}

    def _enqueue(self, target: Target, queue: rq.Queue, job: Job) -> Answer:
        """In one step with its mark."""
        assert self.host is not None and self.hooks is not None
        told = self.hooks.arguments(job)
        with self.connection.pipeline() as pipe:
            pipe.watch(once.mark(target))
            if not pipe.exists(once.mark(target)):
                pipe.multi()
                queue.enqueue_job(job, pipeline=pipe)
                pipe.set(once.mark(target), "1", ex=once.life(target))
                try:
                    pipe.execute()
                except Exception:
                    if not self.landed(target):  # somebody else was not faster: it went wrong
                        raise
        self.host.keep(job.id, originals.pack(job))
        self.hooks.emit(Kind.TASK_ENQUEUED, job, retry_of=target.task_id, source=Source.ACTION, **told)
        return Answer(Outcome.DONE, new_task_id=target.new_task_id())

    def landed(self, target: Target) -> bool:
        """Its mark is set in one step with enqueueing it. One from before there were marks may still be a job."""
        return bool(self.connection.exists(once.mark(target))) or self.job(target.new_task_id()) is not None

    def _original(self, task_id: str) -> dict[str, Any] | None:
        assert self.host is not None
        job = self.job(task_id)
        if job is not None:
            return originals.of(job)
        blob = self.host.original(task_id)
        return originals.unpack(blob) if blob is not None else None

    @verb(note="a waiting job is taken out of its queue; the process of a running one is killed")
    def cancel(self, target: Target, params: Mapping[str, Any]) -> Answer:
        job = self.job(target.task_id, writes=True)
        if job is None:
            return Answer(Outcome.NOT_FOUND, "RQ does not know this job, or does no longer.")
        status = self._settled(job)
        if status in ENDS:
            return Answer(Outcome.ALREADY_FINAL, "The job has already ended.")
        if status == JobStatus.STARTED:
            send_stop_job_command(self.connection, job.id)
            return Answer(Outcome.REQUESTED, "Its process was told to end.")
        job.cancel()
        self._tell(Kind.TASK_CANCELLED, job)
        return Answer(Outcome.DONE, "It was taken out of its queue.")

    def _settled(self, job: Job) -> JobStatus | None:
        """Its status. A job that was taken from its queue is called queued until its process has begun."""
        queue = self.queue(job.origin)
        for _ in range(_MOMENTS):
            status = job.get_status()
            if status != JobStatus.QUEUED or queue.get_job_position(job) is not None:
                break
            time.sleep(0.1)
        return status

    @verb(note="a failed or stopped job goes back into its queue under its own id")
    def requeue(self, target: Target, params: Mapping[str, Any]) -> Answer:
        job = self.job(target.task_id, writes=True)
        if job is None or job.get_status() not in (JobStatus.FAILED, JobStatus.STOPPED):
            return Answer(Outcome.NOT_FOUND, "It is not among RQ's failed jobs.")
        job.requeue()
        self._tell(Kind.TASK_ENQUEUED, job, run=now())
        return Answer(Outcome.DONE)

    @emulated(note="put at the end of the other queue in one step with leaving its own, under its own id")
    def move(self, target: Target, params: Mapping[str, Any]) -> Answer:
        job, name = self.job(target.task_id), str(params.get("queue") or "")
        if job is None or not name or job.get_status() != JobStatus.QUEUED:
            return Answer(Outcome.NOT_FOUND, "It does not wait in a queue.")
        keys = (self.queue(job.origin).key, self.queue(name).key, rq.Queue.redis_queues_keys, job.key)
        if not self.connection.eval(_MOVE, len(keys), *keys, job.id, name):
            return Answer(Outcome.NOT_FOUND, "A worker was faster.")
        job.origin = name
        self._tell(Kind.TASK_ENQUEUED, job)
        return Answer(Outcome.DONE, f"It waits in {name}.")

    def _tell(self, kind: Kind, job: Job, **more: Any) -> None:
        assert self.hooks is not None
        self.hooks.emit(kind, job, source=Source.ACTION, **more)

    # On a queue.

    @verb(note="deletes the jobs that wait; scheduled, running and failed ones stay")
    def purge(self, target: Target, params: Mapping[str, Any]) -> Answer:
        jobs = self.shown(target.queue).get_jobs()
        count = int(self.queue(target.queue).empty())  # type: ignore[no-untyped-call]
        for job in jobs:
            self._tell(Kind.TASK_CANCELLED, job)
        return Answer(Outcome.DONE, f"{count} waiting jobs were deleted; failed ones stay.")

    @emulated(note="this worker takes nothing more from the queue; one job it was waiting for may still run")
    def pause(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.host is not None
        for name in self._named(target):
            self.host.state.put(PAUSE + name, b"1")
            self.paused.add(name)
        return Answer(Outcome.DONE)

    @emulated(note="this worker takes from the queue again")
    def resume(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.host is not None
        for name in self._named(target):
            self.host.state.delete(PAUSE + name)
            self.paused.discard(name)
        return Answer(Outcome.DONE)

    def _named(self, target: Target) -> list[str]:
        return [target.queue] if target.queue else list(self.rq_worker.queue_names())

    # On this worker.

    @verb(note="ends after its job; coming back is its supervisor's business")
    def stop(self, target: Target, params: Mapping[str, Any]) -> Answer:
        send_shutdown_command(self.connection, self.rq_worker.name)
        return Answer(Outcome.REQUESTED, "It ends when its job is done.")

    @emulated(note="ends after its job; the worker pool starts another in its place")
    def restart(self, target: Target, params: Mapping[str, Any]) -> Answer:
        os.kill(os.getpid(), signal.SIGTERM)
        return Answer(Outcome.REQUESTED, "It ends when its job is done, and the pool starts another.")

    @emulated(note="for jobs that this worker has not started yet; RQ has one limit, the hard one")
    def time_limit(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.host is not None
        name, seconds = str(params.get("name") or ""), params.get("hard") or params.get("soft")
        if not name or not isinstance(seconds, (int, float)) or seconds <= 0:
            return Answer(Outcome.FAILED, "It takes the name of a function and a number of seconds.")
        whole = math.ceil(seconds)  # RQ sets an alarm, which knows no fractions
        self.host.state.put(LIMIT + name, json.dumps(whole).encode())
        return Answer(Outcome.DONE, f"{name} is ended after {whole} s.")

    def limit(self, job: Job) -> None:
        """Before the job's process is forked."""
        assert self.host is not None
        seconds = self.host.state.get(LIMIT + name_of(job))
        if seconds is not None:
            job.timeout = math.ceil(json.loads(seconds))

    @emulated(
        note="how many jobs of the key that it names may run at once; the next such job brings its own limit again"
    )
    def rate_limit(self, target: Target, params: Mapping[str, Any]) -> Answer:
        key, rate = str(params.get("name") or ""), str(params.get("rate") or "")
        if not key or not rate.isascii() or not rate.isdigit() or not int(rate):
            return Answer(Outcome.FAILED, "It takes the key of a limit and a whole number of jobs.")
        registry = rate_limits.RateLimitRegistry(key, self.connection)
        if not self.connection.exists(registry.config_key):
            return Answer(Outcome.NOT_FOUND, "No job that waits or runs has this key.")
        self.connection.hset(registry.config_key, "concurrency", int(rate))
        started = len(registry.acquire_and_enqueue(int(rate)))
        return Answer(Outcome.DONE, f"{rate} jobs of {key} may run at once; {started} more were let into their queues.")

    @verb(note="enqueues a job of ours")
    def hello(self, target: Target, params: Mapping[str, Any]) -> Answer:
        queue = self.queue(str(params.get("queue") or self.queue_names()[0]))
        task_id = target.new_task_id()
        if self.job(task_id) is None:
            queue.enqueue_call("z4j_rq.hello", job_id=task_id, timeout=30, result_ttl=600)
        return Answer(Outcome.DONE, new_task_id=task_id)


def _exchange(job: Job, given: Mapping[str, Any]) -> bool:
    """The same function with other arguments: RQ serialises both together. False when it is no function of a module."""
    name = function_of(job)
    if "." not in name:
        return False
    job.func_name, job.instance = name, None
    job.args, job.kwargs = tuple(given.get("args") or ()), dict(given.get("kwargs") or {})
    return True


def _in_pool() -> bool:
    """Whether this worker was started by `rq worker-pool`, which replaces those that end."""
    try:
        return b"worker-pool" in Path(f"/proc/{os.getppid()}/cmdline").read_bytes()
    except OSError:
        return False

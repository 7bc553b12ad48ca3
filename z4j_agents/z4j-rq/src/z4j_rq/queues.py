"""What waits in RQ's queues, what its store knows of a job, and what in its settings will hurt."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import rq
from rq.job import Job, JobStatus
from rq.registry import StartedJobRegistry
from z4j_core.engine import Advice, Engine, Target, verb
from z4j_core.safety import guard
from z4j_core.wire import Kind, QueueFacts, Source

from z4j_rq import producer
from z4j_rq.bodies import for_reading, runs_nothing
from z4j_rq.facts import ENDS, WAITING, identity, micros, stored_error, without_nothing
from z4j_rq.hooks import Hooks


class Queues(Engine):
    """The reads. They use a connection of their own: a job's horse may be forked while one of them waits."""

    hooks: Hooks | None
    rq_worker: Any
    #: Whether this worker was started to move scheduled jobs.
    schedules = False
    _connection: Any = None

    def prepare(self, worker: Any) -> None:
        """Make here what the reads and verbs need, so that the agent's thread imports nothing while jobs are forked."""
        pool = worker.connection.connection_pool
        own = type(pool)(connection_class=pool.connection_class, **pool.connection_kwargs)
        self._connection = type(worker.connection)(connection_pool=own)
        self._connection.ping()

    @property
    def source(self) -> Any:
        """Whose connection and serializer are used: the worker's, or a queue's where jobs are only enqueued."""
        found = self.rq_worker or producer.known_queue()
        if found is None:
            raise LookupError("neither a worker nor a queue is known here")
        return found

    @property
    def connection(self) -> Any:
        if self._connection is None:
            self.prepare(self.source)
        return self._connection

    def queue_names(self) -> list[str]:
        """Of this worker."""
        return list(self.rq_worker.queue_names()) if self.rq_worker is not None else [self.source.name]

    def queue(self, name: str) -> rq.Queue:
        return rq.Queue(name, connection=self.connection, serializer=self.source.serializer)

    def shown(self, name: str) -> rq.Queue:
        """A queue whose jobs are only looked at: none of them is opened where that could run code."""
        return rq.Queue(name, connection=self.connection, serializer=for_reading(self.source.serializer))

    def job(self, task_id: str, *, writes: bool = False) -> Job | None:
        """`writes`: for something after which RQ saves the job, with what only its serializer can read (its meta)."""
        serializer = self.source.serializer if writes else for_reading(self.source.serializer)
        return Job.fetch_many([task_id], connection=self.connection, serializer=serializer)[0]

    @verb(note="from the lists and registries in Redis; `dead` is the registry of failed jobs")
    def queues(self) -> Iterable[QueueFacts]:
        names = dict.fromkeys([*self.queue_names(), *(queue.name for queue in rq.Queue.all(self.connection))])
        return [self._measured(self.shown(name)) for name in names]

    def _measured(self, queue: rq.Queue) -> QueueFacts:
        first = queue.get_jobs(0, 1)
        facts = {
            "name": queue.name,
            "depth": queue.count,
            "delayed": queue.scheduled_job_registry.count + queue.deferred_job_registry.count,
            "in_flight": queue.started_job_registry.count,
            "dead": queue.failed_job_registry.count,
            "oldest": micros(first[0].enqueued_at) if first else None,
            "exact": True,
        }
        return cast(QueueFacts, without_nothing(facts))

    @verb(note="reads the list in Redis and the jobs it names; arguments only where they are JSON")
    def peek(self, queue: str, limit: int) -> Iterable[Mapping[str, Any]]:
        return [event for job in self.shown(queue).get_jobs(0, limit) if (event := self._waits(job))][:limit]

    @verb(note="reads the job, its registries and its last result; arguments and results only where they are JSON")
    def lookup(self, targets: Sequence[Target]) -> Iterable[Mapping[str, Any]]:
        ids = [target.task_id for target in targets]
        serializer = for_reading(self.source.serializer)
        found = Job.fetch_many(ids, connection=self.connection, serializer=serializer)
        return [event for job in found if job is not None and (event := self._known(job))]

    def _known(self, job: Job) -> dict[str, Any] | None:
        status = job.get_status(refresh=False)
        if status in WAITING:
            return self._waits(job)
        with guard("rq.lookup"):
            if status == JobStatus.STARTED:
                return self._told(Kind.TASK_STARTED, job, ts=micros(job.started_at)) if self._is_alive(job) else None
            kind = ENDS.get(status) if status else None
            if kind is None:
                return None
            more: dict[str, Any] = {"ts": micros(job.ended_at)}
            if kind is Kind.TASK_SUCCEEDED and self.hooks is not None and runs_nothing(job.serializer):
                more["result"] = self.hooks.redactor(job).value(job.return_value())[0]
            elif kind is Kind.TASK_FAILED:
                more["error"] = stored_error(job)
            return self._told(kind, job, **more)
        return None

    def _waits(self, job: Job) -> dict[str, Any] | None:
        with guard("rq.peek"):
            arguments = self.hooks.arguments(job) if self.hooks is not None else {}
            return self._told(Kind.TASK_ENQUEUED, job, ts=micros(job.enqueued_at or job.created_at), **arguments)
        return None

    def _told(self, kind: Kind, job: Job, **more: Any) -> dict[str, Any]:
        return without_nothing({"kind": kind, **identity(job), **more, "source": Source.RECONCILE})

    def _is_alive(self, job: Job) -> bool:
        """Whether a worker still holds it: the worker renews its entry while the job runs."""
        registry = StartedJobRegistry(job.origin, connection=self.connection)
        entries = self.connection.zrangebyscore(registry.key, time.time(), "+inf")
        return any(entry.decode().partition(":")[0] == job.id for entry in entries)

    @verb(note="reads the worker's settings")
    def advice(self) -> Iterable[Advice]:
        worker = self.rq_worker
        if worker is None:
            yield from producer.advice()
            return
        if isinstance(worker, rq.SimpleWorker):
            yield Advice(
                "no-fork",
                "SimpleWorker runs jobs in its own process: one that crashes or leaks takes the worker with it.",
                "Use the usual worker, which forks for each job, unless the platform cannot fork.",
            )
        if worker.default_result_ttl is not None and worker.default_result_ttl < 0:
            yield Advice(
                "results-for-ever",
                "Finished jobs, with their arguments and results, are kept in Redis for ever.",
                "Give --results-ttl a number of seconds.",
            )
        if worker.serializer.__name__ in ("DefaultSerializer", "PickleSerializer"):
            yield Advice(
                "pickle",
                "Jobs are pickled: whoever can write to this Redis can run any code in the worker.",
                "Keep Redis behind a password and off the network, or use the JSON serializer.",
            )
        if not (self.schedules or getattr(worker, "scheduler", None)):
            yield Advice(
                "no-scheduler",
                "This worker moves no jobs whose time has come (enqueue_in, enqueue_at, retry intervals).",
                "Start one worker at least with --with-scheduler.",
            )

"""What people may ask of RQ's scheduled and repeated jobs: done in its registries and in the jobs themselves."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rq.job import Job, JobStatus
from rq.queue import Queue
from rq.registry import ScheduledJobRegistry
from rq.repeat import Repeat
from z4j_core.overrides import Overrides
from z4j_core.scheduler import Answer, Scheduler, Target, emulated, micros, verb
from z4j_core.wire import Outcome

from z4j_rqscheduler import known, processes, stored
from z4j_rqscheduler.plans import SECOND, Refused, Wish, sentence, wish
from z4j_rqscheduler.stored import Kept

#: RQ repeats a job a number of times, a schedule for ever: this is how often one made here is repeated.
FOR_EVER: Final = 1_000_000
ENDS: Final = (JobStatus.FINISHED, JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED)
#: Seconds that the loop takes at most from reading what is kept out to keeping it out.
_A_MOMENT: Final = 0.3
_UNKNOWN: Final = "No scheduled job has this id."


class ScheduledActions(Scheduler):
    def __init__(self) -> None:
        self._worker = processes.WorkerHere()

    @property
    def _repeats(self) -> Overrides:
        """Repeated jobs that were seen in a registry, and may be in their queues now."""
        assert self.host is not None
        return Overrides(self.host.state, f"{self.name}.repeats")

    @property
    def _later(self) -> Overrides:
        """What was asked of a job that was not in its registry, to be done when it is back."""
        assert self.host is not None
        return Overrides(self.host.state, f"{self.name}.later")

    @property
    def _overrides(self) -> Overrides:
        assert self.host is not None
        return Overrides(self.host.state, self.name)

    @property
    def _connection(self) -> Any:
        worker = self._worker.find()
        assert worker is not None
        return worker.connection

    @verb("back into RQ's registry, for its own time, or an interval from now where that has passed")
    def schedule_enable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        words, kept = self._overrides.get(target.name), self._kept(target)
        if kept is None:
            return Answer(Outcome.NOT_FOUND, _UNKNOWN)
        if not words:
            return Answer(Outcome.DONE, "It was not disabled.")
        due = int(words["due"])
        if due < micros():
            if kept.repeats is None:
                return Answer(Outcome.FAILED, "Its time has passed while it was disabled; give it another.")
            due = micros() + kept.intervals[0] * SECOND
        self._overrides.forget(kept.id)
        self._put(kept.queue, kept.id, due)
        if due > micros() + SECOND:
            # The loop, in a process of its own, may just have read that it is to be kept out.
            time.sleep(_A_MOMENT)
            if self._score(kept) is None:
                self._put(kept.queue, kept.id, due)
        return Answer(Outcome.DONE)

    @verb("taken out of RQ's registry and kept out; the job itself stays in Redis, and who disabled it here")
    def schedule_disable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        kept = self._kept(target)
        if kept is None:
            return Answer(Outcome.NOT_FOUND, _UNKNOWN)
        if not self._overrides.get(kept.id):
            due = self._score(kept)
            self._overrides.put(kept.id, {"queue": kept.queue, "due": micros() if due is None else due})
        self._connection.zrem(registry_key(kept.queue), kept.id)
        return Answer(Outcome.DONE)

    @emulated("in RQ's registry and its job in Redis; of one that repeats the interval, of another its time")
    def schedule_edit(self, target: Target, params: Mapping[str, Any]) -> Answer:
        kept = self._kept(target)
        if kept is None:
            return Answer(Outcome.NOT_FOUND, _UNKNOWN)
        try:
            asked = wish(params, takes=("every", "at"))
            if asked.every is not None and kept.repeats is None:
                raise Refused("It runs once; only a job that was made to repeat has an interval.")
            if asked.at is not None and kept.repeats is not None:
                raise Refused("It repeats: it has an interval and no time.")
        except Refused as error:
            return Answer(Outcome.FAILED, str(error))
        if self._score(kept) is None and kept.status != JobStatus.SCHEDULED:
            self._later.put(kept.id, later(asked))
            return Answer(Outcome.DONE, "In force when it has ended: it is in its queue, or runs.")
        self._rewrite(self._connection, kept, asked)
        time.sleep(_A_MOMENT)
        if asked.every is not None and all(one.intervals[0] != asked.every for one in self._read(kept.id)):
            self._later.put(kept.id, later(asked))  # the loop had just read it, and wrote it as it was
        return Answer(Outcome.DONE, "In force with the scheduler's next turn, within a second.")

    def _rewrite(self, connection: Any, kept: Kept, asked: Wish) -> None:
        words, due = self._overrides.get(kept.id), connection.zscore(registry_key(kept.queue), kept.id)
        if asked.every is not None:
            connection.hset(f"rq:job:{kept.id}", "repeat_intervals", f"[{asked.every}]")
        planned = asked.at if asked.at is not None else micros() + asked.every * SECOND if asked.every else None
        queue = asked.queue or kept.queue
        stored.rewrite(Job.fetch(kept.id, connection=connection), asked)
        if words:
            self._overrides.add(kept.id, queue=queue, due=planned or words["due"])
        elif due is not None:
            if queue != kept.queue:
                connection.zrem(registry_key(kept.queue), kept.id)
            connection.zadd(registry_key(queue), {kept.id: (planned or round(due * SECOND)) // SECOND})

    def catch_up(self, connection: Any) -> None:
        """In the loop: what was asked of jobs that ran. The process that runs one writes all of it as it was before."""
        for key, words in self._later.all().items():
            kept = next(iter(stored.read(connection, [key])), None)
            if kept is None or kept.status in ENDS:
                self._later.forget(key)
            elif connection.zscore(registry_key(kept.queue), key) is not None:
                args = words.pop("args", None)
                self._rewrite(connection, kept, Wish(**words, args=None if args is None else tuple(args)))
                self._later.forget(key)

    def _read(self, job_id: str) -> list[Kept]:
        return stored.read(self._connection, [job_id])

    @verb("a job of a function that has run on this host; an interval repeats a million times")
    def schedule_create(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.host is not None
        task = str(params.get("task") or "")
        there = next(iter(stored.read(self._connection, [target.name])), None)
        if there is not None:
            same = target.again and there.task == task
            return Answer(Outcome.DONE) if same else Answer(Outcome.FAILED, "There is a job of that id already.")
        if not known.is_known(task, [facts["task"] for _, facts in self.schedules()], self.host.state):
            return Answer(Outcome.FAILED, "No function of that name is scheduled, or has run on this host before.")
        try:
            asked = wish(params, takes=("every", "at"))
            if not asked.has_plan:
                raise Refused("A new schedule needs a plan: every or at.")
            self._make(target.name, task, asked)
        except ValueError as error:  # Refused is one, and RQ has its own opinion on what an id is
            return Answer(Outcome.FAILED, sentence(error))
        return Answer(Outcome.DONE)

    def _make(self, key: str, task: str, asked: Wish) -> None:
        worker = self._worker.find()
        assert worker is not None
        queue = Queue(asked.queue or worker.queue_names()[0], connection=self._connection, serializer=worker.serializer)
        call = {"args": asked.args or (), "kwargs": asked.kwargs or {}, "job_id": key}
        if asked.at is not None:
            queue.enqueue_at(datetime.fromtimestamp(asked.at / SECOND, UTC), task, **call)
        else:
            every = asked.every or 1
            queue.enqueue_in(timedelta(seconds=every), task, repeat=Repeat(FOR_EVER, every), **call)

    @verb("its job is deleted; one that runs now ends, and does not come back")
    def schedule_delete(self, target: Target, params: Mapping[str, Any]) -> Answer:
        kept = self._kept(target)
        if kept is None:
            return Answer(Outcome.DONE) if target.again else Answer(Outcome.NOT_FOUND, _UNKNOWN)
        connection = self._connection
        connection.zrem(registry_key(kept.queue), kept.id)
        self._overrides.forget(kept.id)
        self._later.forget(kept.id)
        self._repeats.forget(kept.id)
        if kept.status == JobStatus.SCHEDULED:
            Job.fetch(kept.id, connection=connection).delete()
        else:
            self._overrides.put(kept.id, {"queue": kept.queue, "gone": True})
        return Answer(Outcome.DONE)

    @emulated("a copy of its job, under an id of its own; its next due time stays")
    def schedule_run(self, target: Target, params: Mapping[str, Any]) -> Answer:
        kept = self._kept(target)
        if kept is None:
            return Answer(Outcome.NOT_FOUND, _UNKNOWN)
        task_id = target.new_task_id()
        worker = self._worker.find()
        job = Job.fetch(kept.id, connection=self._connection, serializer=worker.serializer if worker else None)
        stored.send_copy(job, task_id)
        self.fired(kept.id, task_id, name=kept.task, queue=kept.queue, asked=True)
        return Answer(Outcome.DONE, new_task_id=task_id)

    def _kept(self, target: Target) -> Kept | None:
        """Of a schedule: not any job."""
        kept = next(iter(stored.read(self._connection, [target.name])), None)
        words = self._overrides.get(target.name)
        if kept is None or not kept.is_schedule or words.get("gone"):
            return None
        return kept if words or self._score(kept) is not None or comes_back(kept) else None

    def _score(self, kept: Kept) -> int | None:
        score = self._connection.zscore(registry_key(kept.queue), kept.id)
        return None if score is None else round(score * SECOND)

    def _put(self, queue: str, job_id: str, due: int) -> None:
        self._connection.zadd(registry_key(queue), {job_id: due // SECOND})


def registry_key(queue: str) -> str:
    """Where a queue has its jobs that wait for their time."""
    return ScheduledJobRegistry.key_template.format(queue)


def later(asked: Wish) -> dict[str, Any]:
    """A wish in words that can be kept. It is read in again as it is."""
    return {name: value for name, value in asdict(asked).items() if value is not None}


def comes_back(kept: Kept) -> bool:
    """It repeats, and is in its queue or runs for now."""
    return bool(kept.repeats) and kept.status not in ENDS or (kept.repeats == 0 and kept.status not in (*ENDS, ""))

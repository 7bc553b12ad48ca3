"""What people may ask of a worker's cron jobs. It runs in the agent's thread of a worker."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping
from concurrent.futures import TimeoutError as TooLate
from dataclasses import replace
from typing import Any, Final

from arq.cron import CronJob
from arq.worker import Worker
from z4j_core.scheduler import Answer, Scheduler, Target, emulated
from z4j_core.wire import Outcome

from z4j_arqcron.entries import Entries, Entry
from z4j_arqcron.fields import Refused, fields_of, parse, written, zone_of
from z4j_arqcron.wishes import Wish

#: Seconds that the worker's loop may take to get to it.
PATIENCE: Final = 2.0
_WHERE: Final = "in the workers of this host, within 5 s; workers of the same queue on other hosts are not told"
_UNKNOWN: Final = Answer(Outcome.NOT_FOUND, "This worker has no cron job of that name.")


class Verbs(Scheduler):
    entries: Entries | None

    @property
    @abstractmethod
    def ticked(self) -> bool:
        """Whether the worker's cron has begun."""

    @property
    @abstractmethod
    def worker(self) -> Worker:
        """The one of this process. Raises where there is none."""

    def _apply(self) -> dict[str, Entry]:
        assert self.entries is not None
        return self.entries.apply(self.ticked)

    def _wish(self, key: str, wish: Wish) -> Answer:
        assert self.entries is not None
        self.entries.wishes.write(key, wish)
        self._apply()
        return Answer(Outcome.DONE)

    @emulated(note=f"put back into the worker's list of cron jobs: {_WHERE}")
    def schedule_enable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._switch(target, off=False)

    @emulated(note=f"taken out of the worker's list of cron jobs: {_WHERE} and go on enqueueing it")
    def schedule_disable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._switch(target, off=True)

    def _switch(self, target: Target, *, off: bool) -> Answer:
        entry = self._apply().get(target.name)
        return _UNKNOWN if entry is None else self._wish(entry.key, replace(entry.wish, off=off))

    @emulated(note=f"another cron job in its place: {_WHERE} and keep to the code's plan")
    def schedule_edit(self, target: Target, params: Mapping[str, Any]) -> Answer:
        entry = self._apply().get(target.name)
        if entry is None:
            return _UNKNOWN
        try:
            plan = self._plan(params)
        except Refused as refused:
            return Answer(Outcome.FAILED, str(refused))
        if not plan:
            return Answer(Outcome.DONE, "Nothing was to be changed.")
        is_codes = entry.origin is not None and written(parse(plan)) == written(fields_of(entry.origin))
        return self._wish(entry.key, replace(entry.wish, cron="" if is_codes else plan))

    @emulated(note=f"a cron job that enqueues a function of this worker, without arguments: {_WHERE}")
    def schedule_create(self, target: Target, params: Mapping[str, Any]) -> Answer:
        task, known = str(params.get("task") or ""), self._apply().get(target.name)
        function = self.worker.functions.get(task)
        try:
            plan = self._plan(params)
            if not plan:
                raise Refused("It takes a cron expression.")
            if function is None or isinstance(function, CronJob):
                raise Refused("This worker has no function of that name.")
            if known is not None:
                wish = known.wish
                if not (target.again and (wish.task, wish.cron) == (task, plan)):
                    raise Refused("There is a cron job of that name.")
        except Refused as refused:
            return Answer(Outcome.FAILED, str(refused))
        return Answer(Outcome.DONE) if known is not None else self._wish(target.name, Wish(cron=plan, task=task))

    @emulated(note="of those that were made here; what stands in the worker's code stays there: disable it")
    def schedule_delete(self, target: Target, params: Mapping[str, Any]) -> Answer:
        entry = self._apply().get(target.name)
        if entry is None:
            return Answer(Outcome.DONE) if target.again else _UNKNOWN
        if entry.origin is not None:
            return Answer(Outcome.UNSUPPORTED, IN_CODE)
        return self._wish(entry.key, Wish())

    @emulated(note="enqueues the function by the name that arq itself uses; a worker takes it as any other job")
    def schedule_run(self, target: Target, params: Mapping[str, Any]) -> Answer:
        entry = self._apply().get(target.name)
        if entry is None:
            return _UNKNOWN
        worker, job_id = self.worker, target.new_task_id()
        sending = worker.pool.enqueue_job(entry.job.name, _job_id=job_id, _queue_name=worker.queue_name)
        future = asyncio.run_coroutine_threadsafe(sending, loop_of(worker))
        try:
            # One that is there already was enqueued by an earlier delivery of this command.
            is_new = future.result(PATIENCE) is not None
        except TooLate:
            future.cancel()  # what the loop did not get to it will not do later
            return Answer(Outcome.FAILED, "A job blocks this worker's loop, which did not answer in time. Try again.")
        if is_new:
            self.fired(entry.key, job_id, name=entry.job.name, asked=True, queue=worker.queue_name)
        return Answer(Outcome.DONE, new_task_id=job_id)

    def _plan(self, params: Mapping[str, Any]) -> str:
        """The cron expression, "" where none is given. Raises Refused for what arq's cron jobs cannot have."""
        if params.get("every") is not None or params.get("at") is not None:
            raise Refused("arq has cron jobs only, without intervals or single times: give a cron expression.")
        if params.get("args") or params.get("kwargs"):
            raise Refused("arq calls the functions of cron jobs without arguments.")
        if params.get("queue") not in (None, "", self.worker.queue_name):
            raise Refused(f"Cron jobs of this worker go to its own queue, {self.worker.queue_name}.")
        zone = zone_of(self.worker.timezone)
        if params.get("zone") not in (None, "", zone):
            raise Refused(f"All cron jobs of a worker have the zone in its settings: {zone or self.worker.timezone}.")
        cron = str(params.get("cron") or "")
        if cron:
            parse(cron)
        return cron


IN_CODE: Final = "It is written in the worker's code and comes back with it: disable it, or take it out there."


def loop_of(worker: Worker) -> asyncio.AbstractEventLoop:
    """Where it runs."""
    return worker.main_task.get_loop() if worker.main_task is not None else worker.loop

"""RQ's own cron: `rq cron`, one process that holds its entries in memory and enqueues what is due.

An entry's key is its name, which is its function's unless the user gave one; of two with one name the second is
called `name#2`, in the order in which they are registered. What is changed is changed between two turns of its loop.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Any, ClassVar, Final

from rq.cron import CronJob, CronScheduler
from rq.job import Job
from rq.utils import import_attribute
from z4j_core.overrides import Overrides
from z4j_core.patches import Patches
from z4j_core.safety import guard, guarded
from z4j_core.scheduler import Answer, Host, Scheduler, Target, emulated, micros, verb
from z4j_core.timetable import ScheduleFacts, Ticking
from z4j_core.wire import Outcome

from z4j_rqscheduler import known, processes
from z4j_rqscheduler.entries import Entry
from z4j_rqscheduler.plans import Refused, wish

#: Seconds that its loop sleeps at most; RQ's own limit is 60, and a change would wait as long.
LOOKS_EVERY: Final = 1.0
_TAKES: Final = ("cron", "every")
_NONE_HERE: Final = "`rq cron` does not run in this process."
_UNKNOWN: Final = "There is no schedule of that name in this `rq cron`."
_LATEST: Final = "In force with the next turn of its loop, within a second."


class RQCron(Scheduler):
    name: ClassVar[str] = "rqcron"
    engine: ClassVar[str] = "rq"
    #: The adapter of this process, once an agent has taken it.
    installed: ClassVar[RQCron | None] = None

    def __init__(self) -> None:
        self.live: CronScheduler | None = None
        self.entries: dict[str, Entry] = {}
        self._known: set[int] = set()
        self._patches = Patches()
        self._turning = threading.RLock()
        self._tick = 0

    def version(self) -> str:
        return version("rq")

    def install(self, host: Host) -> None:
        if self.host is not None:
            return
        super().install(host)
        type(self).installed = self
        self._patches.around(CronScheduler, "start", self._start)
        self._patches.around(CronScheduler, "enqueue_jobs", self._turn)
        self._patches.around(CronScheduler, "calculate_sleep_interval", self._sleep)
        self._patches.around(CronJob, "enqueue", self._enqueue)

    def uninstall(self) -> None:
        self._patches.undo()
        type(self).installed = None
        super().uninstall()

    # In the scheduler's own thread.

    def _start(self, original: Callable[..., Any], scheduler: CronScheduler, *args: Any, **kwargs: Any) -> Any:
        with guard("rqcron.start"):
            self.live, self._tick = scheduler, micros()
            self._adopt()
            assert self.host is not None
            self.host.role("scheduler", scheduler.name)
        try:
            return original(scheduler, *args, **kwargs)
        finally:
            self.live = None
            if self.host is not None:
                self.host.stop()

    def _turn(self, original: Callable[..., Any], scheduler: CronScheduler) -> Any:
        with self._turning:
            if scheduler is self.live:
                self._tick = micros()
                self._adopt()
            return original(scheduler)

    def _sleep(self, original: Callable[..., float], scheduler: CronScheduler) -> float:
        return min(original(scheduler), LOOKS_EVERY) if scheduler is self.live else original(scheduler)

    def _enqueue(self, original: Callable[..., Job], cron_job: CronJob, *args: Any, **kwargs: Any) -> Job:
        due = cron_job.next_enqueue_time if cron_job.latest_enqueue_time or cron_job.cron else None
        job = original(cron_job, *args, **kwargs)
        with guard("rqcron.fired"):
            entry = next((one for one in self.entries.values() if one.job is cron_job), None)
            if entry is not None:
                entry.last = micros()
                moment = None if due is None else micros(due.timestamp())
                self.fired(entry.key, job.id, due=moment, name=cron_job.func_name, queue=cron_job.queue_name)
        return job

    @guarded("rqcron.adopt")
    def _adopt(self) -> None:
        """Entries that were registered since, as people have changed them; with the first, those that people made."""
        assert self.live is not None
        fresh = [job for job in self.live._cron_jobs if id(job) not in self._known]
        first = not self._known and not self.entries
        for job in fresh:
            entry = Entry.of_code(self._new_key(job.name), job)
            self.entries[entry.key] = entry
            self._known.add(id(job))
            with guard("rqcron.override"):
                entry.apply(self._overrides.get(entry.key))
        if first:
            for key, words in self._overrides.all().items():
                if "task" in words and (key not in self.entries or not self.entries[key].there):
                    with guard("rqcron.made"):
                        self._make(key, words)
        if fresh or first:
            self._settle()

    def _new_key(self, name: str) -> str:
        key, number = name, 1
        while key in self.entries:
            number += 1
            key = f"{name}#{number}"
        return key

    def _make(self, key: str, words: Mapping[str, Any]) -> None:
        job = CronJob(
            queue_name=words.get("queue") or "default",
            func=import_attribute(words["task"]),
            cron=words.get("cron"),
            interval=words.get("every"),
            name=key,
        )
        self._known.add(id(job))
        self.entries[key] = entry = Entry.made(key, job)
        entry.apply(words)

    def _settle(self) -> None:
        """The loop goes through those that are enabled; the others are kept here."""
        assert self.live is not None
        with self._turning:
            self.live._cron_jobs = [entry.job for entry in self.entries.values() if entry.there and entry.enabled]

    # What the agent asks.

    @property
    def _overrides(self) -> Overrides:
        assert self.host is not None
        return Overrides(self.host.state, self.name)

    def obstacle(self, verb: str) -> str:
        return super().obstacle(verb) or ("" if self.live is not None else _NONE_HERE)

    def running(self) -> Ticking | None:
        if self.live is None:
            return None
        return processes.ticking(self._tick, LOOKS_EVERY)

    def schedules(self) -> Iterable[tuple[str, ScheduleFacts]]:
        assert self.host is not None
        with self._turning:
            return [(key, entry.facts(self.host)) for key, entry in self.entries.items() if entry.there]

    @emulated("kept by the agent and done again whenever `rq cron` starts")
    def schedule_enable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._change(target, lambda entry: entry.resume(), off=None)

    @emulated("kept by the agent and done again whenever `rq cron` starts")
    def schedule_disable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._change(target, lambda entry: entry.pause(), off=True)

    @emulated("in the process of `rq cron`; kept by the agent and done again whenever it starts")
    def schedule_edit(self, target: Target, params: Mapping[str, Any]) -> Answer:
        try:
            asked = wish(params, takes=_TAKES)
            entry = self._entry(target)
            words = {} if entry is None else entry.words_of(asked)
        except Refused as error:
            return Answer(Outcome.FAILED, str(error))
        return self._change(target, lambda entry: entry.apply(words), **words)

    @emulated("in the process of `rq cron`, of a function that is known there; made again whenever it starts")
    def schedule_create(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.host is not None
        task, there = str(params.get("task") or ""), self._entry(target)
        if there is not None:
            same = target.again and there.job.func_name == task
            return Answer(Outcome.DONE) if same else Answer(Outcome.FAILED, "There is a schedule of that name already.")
        if not known.is_known(task, [entry.job.func_name for entry in self.entries.values()], self.host.state):
            return Answer(Outcome.FAILED, "No function of that name is scheduled here, or has run on this host before.")
        try:
            asked = wish(params, takes=_TAKES)
            if not asked.has_plan:
                raise Refused("A new schedule needs a plan: cron or every.")
            words = {"task": task, "queue": asked.queue or "default", **Entry.words(asked)}
            # What the code calls so was taken away before, and is to stay so.
            words |= {"over": True} if target.name in self.entries else {}
        except Refused as error:
            return Answer(Outcome.FAILED, str(error))
        with self._turning:
            self._make(target.name, words)
            self._overrides.put(target.name, words)
            self._settle()
        self._save()
        return Answer(Outcome.DONE, _LATEST)

    @emulated("taken out of the process of `rq cron`, again whenever it starts; the code that registers it stays")
    def schedule_delete(self, target: Target, params: Mapping[str, Any]) -> Answer:
        entry = self._entry(target)
        if entry is None:
            return Answer(Outcome.DONE) if target.again else Answer(Outcome.NOT_FOUND, _UNKNOWN)
        with self._turning:
            entry.there = False
            hides = entry.in_code or "over" in self._overrides.get(target.name)
            self._overrides.put(target.name, {"gone": True} if hides else {})
            self._settle()
        self._save()
        return Answer(Outcome.DONE)

    @verb("enqueued by the entry itself; its next due time stays")
    def schedule_run(self, target: Target, params: Mapping[str, Any]) -> Answer:
        entry = self._entry(target)
        if entry is None or self.live is None:
            return Answer(Outcome.NOT_FOUND, _UNKNOWN)
        task_id = target.new_task_id()
        if not Job.exists(task_id, connection=self.live.connection):
            once = copy.copy(entry.job)
            once.job_options = {**once.job_options, "job_id": task_id}
            once.enqueue(self.live.connection)
            self.fired(entry.key, task_id, name=once.func_name, queue=once.queue_name, asked=True)
        return Answer(Outcome.DONE, new_task_id=task_id)

    def _entry(self, target: Target) -> Entry | None:
        found = self.entries.get(target.name)
        return found if found is not None and found.there else None

    def _change(self, target: Target, change: Callable[[Entry], object], **words: Any) -> Answer:
        entry = self._entry(target)
        if entry is None:
            return Answer(Outcome.NOT_FOUND, _UNKNOWN)
        with self._turning:
            change(entry)
            self._overrides.add(target.name, **words)
            self._settle()
        self._save()
        return Answer(Outcome.DONE, _LATEST)

    @guarded("rqcron.save")
    def _save(self) -> None:
        """RQ shows the entries of a scheduler as it last saved them."""
        if self.live is not None:
            self.live.save()

"""The cron jobs of one worker: as the code has them, and as people want them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zlib import crc32

from arq import cron
from arq.cron import CronJob
from arq.worker import Worker

from z4j_arqcron.fields import options, parse
from z4j_arqcron.wishes import NONE, Wish, Wishes


@dataclass(frozen=True, slots=True)
class Entry:
    """`origin`: as it stands in the code; None where people made it. `job`: as it is in force, or would be."""

    key: str
    origin: CronJob | None
    job: CronJob
    wish: Wish


class Entries:
    def __init__(self, worker: Worker, wishes: Wishes) -> None:
        self.worker, self.wishes = worker, wishes
        self._list = worker.cron_jobs
        self._code = _named(worker.cron_jobs)
        #: The cron job that was made for a wish: the same one each time it is looked up, for arq keeps in it when it is
        #: due next.
        self._made: dict[str, tuple[Wish, CronJob]] = {}
        self._applying = threading.Lock()
        self.found: dict[str, Entry] = {}

    def apply(self, ticked: bool) -> dict[str, Entry]:
        """Read the wishes and bring the worker into line. From any thread: arq reads its list in one go, and is given
        another one. `ticked`: its cron has begun, so nothing is to run "as the worker starts" any more.
        """
        with self._applying:
            wishes = self.wishes.read()
            found = {key: self._of_code(key, origin, wishes.get(key, NONE)) for key, origin in self._code.items()}
            for key, wish in wishes.items():
                if key not in found and (job := self._of_people(key, wish)) is not None:
                    found[key] = Entry(key, None, job, wish)
            self._put([entry.job for entry in found.values() if not entry.wish.off], ticked)
            self.found = found
            return found

    def restore(self) -> None:
        """As the code has them."""
        with self._applying:
            self.worker.cron_jobs = self._list

    def key_of(self, job: CronJob) -> str | None:
        return next((key for key, entry in self.found.items() if entry.job is job), None)

    def _put(self, jobs: list[CronJob], ticked: bool) -> None:
        now, before = self.worker.cron_jobs, {id(job) for job in self.worker.cron_jobs}
        if [id(job) for job in jobs] == [id(job) for job in now]:
            return
        for job in jobs:
            if ticked and id(job) not in before:
                job.calculate_next(datetime.now(tz=self.worker.timezone))
        same = [id(job) for job in jobs] == [id(job) for job in self._list]
        self.worker.cron_jobs = self._list if same else jobs

    def _of_code(self, key: str, origin: CronJob, wish: Wish) -> Entry:
        if not wish.cron:
            return Entry(key, origin, origin, wish)
        job = self._kept(key, wish)
        if job is None:
            fields: dict[str, Any] = options(parse(wish.cron))
            job = replace(origin, **fields, next_run=None)
            self._made[key] = wish, job
        return Entry(key, origin, job, wish)

    def _of_people(self, key: str, wish: Wish) -> CronJob | None:
        """It enqueues the function itself, by its own name, so that every worker of the queue can run it."""
        function = self.worker.functions.get(wish.task)
        if function is None or isinstance(function, CronJob):
            return None
        job = self._kept(key, wish)
        if job is None:
            # Two of one function that are due at once have different ids by this.
            moment = 200_000 + crc32(key.encode()) % 700 * 1000
            fields: dict[str, Any] = options(parse(wish.cron))
            job = cron(function.coroutine, name=wish.task, microsecond=moment, **fields)
            self._made[key] = wish, job
        return job

    def _kept(self, key: str, wish: Wish) -> CronJob | None:
        before = self._made.get(key)
        return before[1] if before is not None and before[0].cron == wish.cron and before[0].task == wish.task else None


def _named(jobs: list[CronJob]) -> dict[str, CronJob]:
    """By name, which arq does not keep unique: of one function there may be several."""
    named: dict[str, CronJob] = {}
    for job in jobs:
        number, key = 1, job.name
        while key in named:
            number += 1
            key = f"{job.name}#{number}"
        named[key] = job
    return named

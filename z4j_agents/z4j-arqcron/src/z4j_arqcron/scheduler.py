"""arq's cron as a scheduler: it runs in each worker, as a part of its loop."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterable
from datetime import datetime
from importlib.metadata import version
from typing import ClassVar

from arq.cron import CronJob
from arq.worker import Worker
from z4j_core.safety import guard
from z4j_core.scheduler import Host, micros, verb
from z4j_core.timetable import Definition, Plan, ScheduleFacts, Skip, Ticking

from z4j_arqcron.entries import Entries, Entry
from z4j_arqcron.fields import expression, fields_of, written, zone_of
from z4j_arqcron.seam import Seam
from z4j_arqcron.verbs import IN_CODE, Verbs
from z4j_arqcron.wishes import NAME, Wishes


class ArqCron(Verbs):
    name: ClassVar[str] = NAME
    engine: ClassVar[str] = "arq"

    def __init__(self) -> None:
        self.entries: Entries | None = None
        self._worker: Worker | None = None
        self._seam: Seam | None = None
        self._last: dict[str, int] = {}
        self._looking = threading.RLock()

    def version(self) -> str:
        return version("arq")

    def install(self, host: Host) -> None:
        if self.host is None:
            super().install(host)
            if self._worker is not None:
                self._watch(self._worker)

    def uninstall(self) -> None:
        if self._seam is not None and self.entries is not None:
            self._seam.remove()
            self.entries.restore()
        self._seam = self.entries = None
        super().uninstall()

    def serve(self, worker: Worker) -> None:
        """`worker` runs in this process, or is about to."""
        with self._looking:
            if self._worker is None:
                self._worker = worker
                if self.host is not None:
                    self._watch(worker)

    def _watch(self, worker: Worker) -> None:
        assert self.host is not None
        self.entries = Entries(worker, Wishes(self.host.state, worker.queue_name))
        self._seam = Seam(worker, self._has_fired, self._has_skipped)
        self._apply()

    def obstacle(self, verb: str) -> str:
        """Asked by the agent as the worker starts, before its cron first turns: the worker is found then."""
        self._look()
        return "" if self._seam is not None else "Only a worker has cron jobs, and none runs in this process."

    def _look(self) -> None:
        if self._worker is None and self.host is not None:
            with guard("arqcron.look"):
                if (worker := _at_work()) is not None:
                    self.serve(worker)

    @property
    def worker(self) -> Worker:
        if self._worker is None:
            raise LookupError("this process is not a worker")
        return self._worker

    @property
    def ticked(self) -> bool:
        return self._seam is not None and self._seam.tick > 0

    # What it tells.

    @verb(note="each worker looks at its own list; it waits while a job blocks its loop")
    def running(self) -> Ticking | None:
        self._look()
        if self._seam is None or self.entries is None or not self._seam.tick or not self.entries.found:
            return None
        every = int(max(self.worker.poll_delay_s, 0.5) * 1_000_000)
        return {"tick": self._seam.tick, "every": every, "host": socket.gethostname(), "pid": os.getpid()}

    @verb(note="from the worker itself, and what was changed for the workers of this host")
    def schedules(self) -> Iterable[tuple[str, ScheduleFacts]]:
        self._look()
        return [(key, self._facts(entry)) for key, entry in self._apply().items()] if self.entries is not None else []

    def _facts(self, entry: Entry) -> ScheduleFacts:
        job, fields = entry.job, fields_of(entry.job)
        cron, zone = expression(fields), zone_of(self.worker.timezone)
        facts: ScheduleFacts = {
            "task": job.name,
            "engine": self.engine,
            "plan": Plan.CRON if cron and zone else Plan.OTHER,
            "text": written(fields),
            "zone": zone or "UTC",
            "enabled": not entry.wish.off,
            "definition": Definition.STORE if entry.origin is None else Definition.CODE,
            "queue": self.worker.queue_name,
        }
        if cron and zone:
            facts["cron"] = cron
        if job.next_run is not None and not entry.wish.off:
            facts["next"] = _second(job.next_run)
        if entry.key in self._last:
            facts["last"] = self._last[entry.key]
        if entry.origin is not None:
            facts["cannot"] = {"schedule_delete": IN_CODE}
            if entry.wish.cron:
                facts["code"] = written(fields_of(entry.origin))
        return facts

    def _has_fired(self, job: CronJob, job_id: str, due: datetime | None) -> None:
        """In the worker's loop."""
        key = self.entries.key_of(job) if self.entries is not None else None
        if key is not None:
            self._last[key] = _second(due) if due is not None else micros()
            moment = _second(due) if due is not None else None
            self.fired(key, job_id, due=moment, name=job.name, queue=self.worker.queue_name)

    def _has_skipped(self, job: CronJob, due: datetime) -> None:
        """In the worker's loop."""
        if self.entries is not None and (key := self.entries.key_of(job)) is not None:
            self.skipped(key, _second(due), Skip.OVERLAP)


def _second(moment: datetime) -> int:
    """Microseconds since the epoch of its second: arq moves jobs into it a little, which no plan says."""
    return micros(moment.replace(microsecond=0).timestamp())


def _at_work() -> Worker | None:
    """The worker that runs in one of this process's threads, found where it is at work: arq hands it to nobody."""
    home = Worker.run.__code__.co_filename
    for frame in list(sys._current_frames().values()):
        here = frame
        while here is not None:
            if here.f_code.co_filename == home:
                found = here.f_locals.get("self")
                if isinstance(found, Worker) and found._pool is not None:
                    return found
            here = here.f_back  # type: ignore[assignment]
    return None

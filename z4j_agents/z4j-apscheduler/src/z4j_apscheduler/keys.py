"""What a job is called, also after the next start."""

from __future__ import annotations

import threading
import uuid
from contextlib import suppress
from typing import Any, Final

from apscheduler.jobstores.memory import MemoryJobStore

#: Begins the ids of jobs that run another one once.
ONCE: Final = "z4j:"


def is_ours(job_id: str) -> bool:
    return job_id.startswith(ONCE)


def is_kept(scheduler: Any, alias: str | None) -> bool:
    """Whether the store of this alias still has its jobs after a restart. The one nobody named is memory."""
    store = scheduler._jobstores.get(alias or "default")
    return store is not None and not isinstance(store, MemoryJobStore)


class Keys:
    """A job's key is its id. Where APScheduler made up an id that the next start will not know, it is the name of the
    job, with a number for each further one of that name, in the order in which the code adds them.
    """

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self._keys: dict[str, str] = {}
        self._turn = threading.Lock()

    def of(self, job: Any, alias: str | None) -> str:
        with self._turn:
            if job.id not in self._keys:
                made_up = _is_made_up(job.id) and not is_kept(self._scheduler, alias)
                self._keys[job.id] = self._free(job.name) if made_up else job.id
            return self._keys[job.id]

    def job_id(self, key: str) -> str:
        with self._turn:
            return next((one for one, known in self._keys.items() if known == key), key)

    def is_name(self, key: str) -> bool:
        return self._keys.get(key) != key

    def forget(self, job_id: str) -> None:
        with self._turn:
            self._keys.pop(job_id, None)

    def _free(self, name: str) -> str:
        taken, number, key = set(self._keys.values()), 1, name
        while key in taken:
            number += 1
            key = f"{name}#{number}"
        return key


def _is_made_up(job_id: str) -> bool:
    with suppress(ValueError):
        return len(job_id) == 32 and uuid.UUID(job_id).version == 4
    return False

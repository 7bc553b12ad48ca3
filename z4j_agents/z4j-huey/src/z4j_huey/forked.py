"""What forked workers run, written where their consumer can read it, and how it stops one of them.

The place is shared by every process of one key on this host, and perhaps by other containers with pids of their own. So
each entry names its consumer, by pid and start, and nobody believes an entry of another one.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from z4j_core.engine import Store

from z4j_huey.facts import now

RUN: Final = "huey.run."
CANCEL: Final = "huey.cancel."
#: Microseconds after which an entry of a consumer that ended without a word is thrown away.
_FORGOTTEN: Final = 30 * 24 * 3600 * 1_000_000


class Forked:
    """Of one consumer: made before it forks, used by it and by its workers."""

    def __init__(self, state: Store, consumer: Any, started: int) -> None:
        self._state = state
        self._consumer = consumer
        self._identity = [os.getpid(), started]
        self._mine = f"{os.getpid()}.{started}."

    # In a worker, which runs one task at a time.

    def begin(self) -> None:
        """A killed worker may have had the same pid."""
        self._state.delete(self._key(RUN, os.getpid()))
        self._state.delete(self._key(CANCEL, os.getpid()))

    def note(self, run: Mapping[str, Any]) -> None:
        entry = {name: run[name] for name in ("task_id", "name", "started")}
        entry |= {"pid": os.getpid(), "consumer": self._identity}
        self._state.put(self._key(RUN, os.getpid()), json.dumps(entry).encode())

    def forget(self) -> None:
        self._state.delete(self._key(RUN, os.getpid()))

    def wanted(self) -> str:
        """The task that this worker was last told to stop."""
        return (self._state.get(self._key(CANCEL, os.getpid())) or b"").decode()

    # In the consumer.

    def runs(self) -> list[dict[str, Any]]:
        """What its living workers run. What dead ones left behind is thrown away."""
        # A worker that is just being replaced is a child already, and in the consumer's list a moment later.
        children = {child.pid for child in multiprocessing.active_children()}
        workers, found = self._workers(), []
        for key, blob in self._state.items(RUN + self._mine):
            run = json.loads(blob)
            if run["consumer"] == self._identity and run["pid"] in workers:
                found.append(run)
            elif run["pid"] not in children:
                self._state.delete(key)
        return found

    def stop(self, run: Mapping[str, Any]) -> bool:
        """Tell the worker which task to stop; it looks whether it runs that one. False when the worker is gone."""
        self._state.put(self._key(CANCEL, run["pid"]), run["task_id"].encode())
        if run["pid"] not in self._workers():
            return False
        with suppress(ProcessLookupError):
            os.kill(run["pid"], signal.SIGUSR1)
            return True
        return False

    def sweep(self) -> None:
        """Of other consumers only what is too old to be true: whether they live cannot be told from here."""
        for key, blob in self._state.items(RUN):
            if json.loads(blob).get("started", 0) < now() - _FORGOTTEN:
                self._state.delete(key)

    def end(self) -> None:
        for prefix in (RUN, CANCEL):
            for key, _ in self._state.items(prefix + self._mine):
                self._state.delete(key)

    def _workers(self) -> set[int]:
        return {process.pid for _, process in self._consumer.worker_threads if process.pid and process.is_alive()}

    def _key(self, prefix: str, pid: int) -> str:
        return f"{prefix}{self._mine}{pid}"

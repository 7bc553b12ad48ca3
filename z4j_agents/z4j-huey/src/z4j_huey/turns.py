"""Stopping a task from outside: an exception reaches it while its own code runs, never Huey or the next task."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping
from typing import Any, Final

from huey import CancelExecution
from huey.api import Task

#: Where a run stands, under "stage": between the last two its own code runs.
_BEGUN: Final = "begun"
_OVER: Final = "over"


class Stopped(CancelExecution):
    """Raised in the thread of a task that somebody cancelled. Made without arguments, as the interpreter does."""

    def __init__(self) -> None:
        super().__init__(retry=False)


class Turns:
    """`running` is what this process works on, by id. Each run is stopped at most once."""

    def __init__(self, running: Mapping[str, dict[str, Any]]) -> None:
        self._running = running
        #: Held for a moment by who begins, ends or stops a task. A signal's handler does without: it is its own thread.
        self._turn = threading.Lock()

    def watch(self, task: Task, run: dict[str, Any]) -> None:
        """Mark where the own code of a task begins and ends. Huey handles whatever is raised in between."""
        execute = task.execute

        def watched() -> Any:
            with self._turn:
                run["stage"] = _BEGUN
            try:
                if run.get("unwanted"):
                    raise Stopped
                return execute()
            finally:
                # Who was told to stop it had the lock before: what it raised arrives here at the latest.
                with self._turn:
                    run["stage"] = _OVER
                vars(task).pop("execute", None)  # or the two would hold each other, with the arguments

        task.execute = watched

    def stop(self, task_id: str) -> bool:
        """Raise in the thread that runs a task. Asked from another thread. False when it does not run any more."""
        with self._turn:
            if self.wants(task_id):
                _raise_in(self._running[task_id]["thread"])
            run = self._running.get(task_id)
            return run is not None and run.get("unwanted", False)

    def wants(self, task_id: str) -> bool:
        """Take note that a task is to stop. True when its own code runs and nobody has stopped it yet."""
        run = self._running.get(task_id)
        if run is None or "thread" not in run or run.get("stage") == _OVER or run.get("unwanted"):
            return False
        run["unwanted"] = True
        return run.get("stage") == _BEGUN


def _raise_in(thread: int) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Stopped))

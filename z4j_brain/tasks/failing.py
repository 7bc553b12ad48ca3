"""Which issue a failed task belongs to: the type of its exception, the innermost frame of own code, and its name.

A function of the folded row, so that a task which is folded anew has the same issue. Only what stands failed or
dead-lettered has one: a task that runs again after a failure has none until it fails again. Numbers of lines count for
nothing, nor do digits in the name of a folder: a new release moves both.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from z4j_core import fold as folding
from z4j_core.wire import State

from z4j_brain.tasks.trace import Frame, own

_FAILED = frozenset((str(State.FAILED), str(State.DEAD_LETTERED)))
#: Folders of a path that tell one file from another.
_PARTS = 2
_DIGITS = re.compile(r"\d+")
#: A frame as it is kept.
LONGEST = 255


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that stands failed now. `at`: microseconds since the epoch, by its agent's clock."""

    issue: str
    at: int
    task: int
    engine: str
    worker: str
    name: str
    error_type: str
    message: str
    traceback: str

    @property
    def frame(self) -> str:
        """Where the user's own code was when it failed; empty where none of it was."""
        found = innermost(self.traceback)
        return found.where[-LONGEST:] if found else ""


#: An issue, and when a task ended with it that no longer stands so.
Gone = tuple[str, int]
Taker = Callable[[int, Sequence[Gone], Sequence[Failure]], None]

_takers: list[Taker] = []


def register(taker: Taker) -> None:
    """`taker` gets, with the id of their environment, what no longer stands failed, and what does now."""
    if taker not in _takers:
        _takers.append(taker)


def hand_on(environment_id: int, gone: Sequence[Gone], come: Sequence[Failure]) -> None:
    """Within the transaction that takes the events, after the rows of the tasks are written."""
    if gone or come:
        for taker in _takers:
            taker(environment_id, gone, come)


def mark(row: folding.Row) -> folding.Row:
    """The row, with the issue that it belongs to, or none."""
    failed = row["state"] in _FAILED
    row["issue"] = fingerprint(row["error_type"], row["traceback"], row["name"]) if failed else ""
    return row


def gone(row: folding.Row) -> Gone | None:
    """What a row counted for, as it was stored."""
    return (row["issue"], row["finished_at"]) if row["issue"] else None


def come(task: int, engine: str, row: folding.Row) -> Failure | None:
    """What it counts for now."""
    if not row["issue"]:
        return None
    told = (row["worker"], row["name"], row["error_type"], row["error_message"], row["traceback"])
    return Failure(row["issue"], row["finished_at"], task, engine, *told)


def fingerprint(error_type: str, traceback: str, name: str) -> str:
    """16 hexadecimal digits."""
    parts = "\0".join((error_type, _place(traceback), name))
    return hashlib.blake2b(parts.encode("utf-8", "replace"), digest_size=8).hexdigest()


def _place(traceback: str) -> str:
    frame = innermost(traceback)
    if frame is None:
        return ""
    *folders, file = frame.file.replace("\\", "/").split("/")[-_PARTS:]
    return f"{_DIGITS.sub('#', '/'.join(folders))}/{file} {frame.function}"


@lru_cache(maxsize=512)  # failures come in crowds of one kind
def innermost(traceback: str) -> Frame | None:
    """The last frame of the user's own code in the last exception of a traceback."""
    return next(own(traceback), None) if traceback else None

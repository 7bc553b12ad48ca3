"""This process and those that it forks, as a heartbeat tells of them."""

from __future__ import annotations

import gc
import mmap
import os
import socket
import struct
import time
from typing import Any, Final

from rq.worker import BaseWorker
from z4j_core.timetable import Ticking

_LAYOUT: Final = "q"
#: Seconds after which a process is searched for a worker again.
_AGAIN: Final = 10.0


def ticking(tick: int, every: float) -> Ticking:
    """`tick`: microseconds; `every`: seconds between two turns of its loop."""
    return Ticking(tick=tick, every=round(every * 1_000_000), host=socket.gethostname(), pid=os.getpid())


class Pulse:
    """When a loop last turned, seen by the process that forked the loop's."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, struct.calcsize(_LAYOUT))

    def beat(self) -> None:
        struct.pack_into(_LAYOUT, self._page, 0, time.time_ns() // 1000)

    def last(self) -> int:
        """Microseconds; 0 before the first turn."""
        return int(struct.unpack_from(_LAYOUT, self._page, 0)[0])


class WorkerHere:
    """The worker of this process. It was made before anybody asked for it and RQ keeps it nowhere, so it is found
    among all objects: once.
    """

    def __init__(self) -> None:
        self._found: Any = None
        self._looked = -_AGAIN

    def find(self) -> Any:
        if self._found is None and time.monotonic() - self._looked >= _AGAIN:
            # Not isinstance, which would wake what is lazy.
            self._found = next((one for one in gc.get_objects() if issubclass(type(one), BaseWorker)), None)
            self._looked = time.monotonic()
        return self._found

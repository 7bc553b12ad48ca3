"""Child processes that never outlive us: each leads a group of its own, and the group is ended as a whole."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

#: Seconds from one start of a supervised process to the next.
PAUSE = 3


class Stopped(Exception):
    """We were asked to end."""


class Processes:
    """Starts processes, watches them, and ends them in reverse order."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._supervised: dict[str, Callable[[], None]] = {}
        self._started: dict[str, float] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def supervise(self, name: str, command: list[str], environment: dict[str, str], folder: Path) -> None:
        """Start it, and start it again whenever it ends: somebody may ask a worker to stop. One that cannot live is
        tried every few seconds, not all the time.
        """
        self._supervised[name] = lambda: self.start(name, command, environment, folder)
        self._supervised[name]()

    def start(self, name: str, command: list[str], environment: dict[str, str], folder: Path) -> None:
        self._started[name] = time.monotonic()
        with (self.logs / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def dead(self) -> str:
        """The name of one that ended by itself and stays so; empty while all live."""
        ended = [name for name, process in self.running.items() if process.poll() is not None]
        for name in ended:
            if name in self._supervised and time.monotonic() - self._started[name] > PAUSE:
                _end_group(self.running[name])
                self._supervised[name]()
        return next((name for name in ended if name not in self._supervised), "")

    def tail(self, name: str, lines: int = 30) -> str:
        return "\n".join((self.logs / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])

    def stop(self, patience: float = 12) -> None:
        """Ask politely: all but the first two, which the others need, then those; kill what is left of each group."""
        self._supervised.clear()
        order = list(self.running.values())[::-1]
        for some in (order[:-2], order[-2:-1], order[-1:]):
            for process in some:
                with suppress(ProcessLookupError):
                    process.terminate()
            until = time.monotonic() + patience
            for process in some:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(until - time.monotonic(), 0.1))
        for process in order:
            _end_group(process)
        self.running.clear()


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def stop_on_signals() -> None:
    """Ctrl-C, SIGTERM and a closed terminal all end the same way: by an exception that unwinds everything."""

    def stop(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # cleaning up is not interrupted by impatience
        raise Stopped

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def wait_while(processes: Processes, seconds: float | None) -> str:
    """Wait until the time is over, whoever started us is gone, or a process died: then its name."""
    parent, until = os.getppid(), None if seconds is None else time.monotonic() + seconds
    while (until is None or time.monotonic() < until) and os.getppid() == parent:
        if name := processes.dead():
            return name
        time.sleep(0.2)
    return ""

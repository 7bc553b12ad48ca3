"""The stage of the soak: a brain of several processes, and two hosts of workers that reach it over a line each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.cluster import Cluster, Member, kill
from tests.faults.ledger import Ledger
from tests.faults.proxy import Proxy
from tests.faults.volume import Volume, mounted
from tests.store import ROOT, PostgresStore

WEB, HOUSEKEEPING = 3, 2
HOSTS, MAKERS = 2, 2
SMALL = 48 << 20


@dataclass
class Host:
    """Workers that share a folder of z4j, a line to the brain, a disk and a clock."""

    name: str
    folder: Path
    dsn: str
    proxy: Proxy
    volume: Volume | None
    rate: float
    makers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def spool(self) -> Path:
        return (self.volume.path if self.volume else self.folder) / "spool"

    def spools(self) -> list[Path]:
        """The files of boots; the others are the host's."""
        return [path for path in self.spool.rglob("*-*-*-*-*.db") if path.exists()]

    def start(self, name: str) -> None:
        chosen = {"Z4J_DSN": self.dsn, "Z4J_SPOOL_DIR": str(self.spool), "Z4J_ALLOW": "run"}
        places = [self.folder.parent / "ledger.db", self.folder / "clock"]
        command = [sys.executable, "-m", "tests.faults.maker", name, *places, str(self.rate)]
        with (self.folder / "maker.log").open("ab") as log:
            self.makers[name] = subprocess.Popen(
                command, cwd=ROOT, env=os.environ | chosen, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self, name: str) -> None:
        self.makers[name].kill()
        self.makers[name].wait()

    def step_clock(self, seconds: int) -> None:
        (self.folder / "clock").write_text(str(seconds))

    def end(self) -> None:
        """Each says what it still has to say."""
        for maker in self.makers.values():
            maker.send_signal(signal.SIGTERM)
        for maker in self.makers.values():
            with suppress(subprocess.TimeoutExpired):
                maker.wait(60)

    def close(self) -> None:
        for name in self.makers:
            self.kill(name)
        self.proxy.close()

    @property
    def log(self) -> str:
        return (self.folder / "maker.log").read_text()


class Workshop:
    def __init__(self, own: PostgresStore, folder: Path, rate: float) -> None:
        self.own, self.folder, self.ending = own, folder, ExitStack()
        self.ledger = Ledger(folder / "ledger.db")
        self.down: set[int] = set()
        self.restarts = 0
        self.cluster = Cluster(own, folder / "cluster", web=WEB, housekeeping=HOUSEKEEPING)
        self.ending.callback(self.cluster.close)
        self.cluster.start_all()
        self.hosts = [self._host(f"host{number}", rate / HOSTS / MAKERS) for number in range(HOSTS)]

    def _host(self, name: str, rate: float) -> Host:
        folder = self.folder / name
        folder.mkdir()
        proxy = Proxy(*(member.port for member in self.cluster.web))
        dsn = self.cluster.dsn().replace(f":{self.cluster.brain.port}/", f":{proxy.port}/")
        host = Host(name, folder, dsn, proxy, self.ending.enter_context(mounted(SMALL)), rate)
        self.ending.callback(host.close)
        host.step_clock(0)
        for number in range(MAKERS):
            host.start(f"{name}-{number}")
        return host

    def members(self, role: str) -> list[Member]:
        return [member for member in self.cluster.members if member.role == role]

    def kill(self, member: Member) -> None:
        self.down.add(member.port)
        kill(member.pid)

    def start(self, member: Member) -> None:
        self.down.discard(member.port)
        self.cluster.start(member)

    def supervise(self) -> None:
        """Start again who of the brain has ended by itself: whoever starts while PostgreSQL is away does."""
        for member in self.cluster.members:
            if member.port not in self.down and not Path(f"/proc/{member.pid}").exists():
                self.restarts += 1
                self.start(member)

    def weight(self, member: Member) -> float:
        """MiB of memory that it takes; 0 while it is dead."""
        with suppress(OSError):
            for line in Path(f"/proc/{member.pid}/status").read_text().splitlines():
                if line.startswith("VmRSS"):
                    return int(line.split()[1]) / 1024
        return 0.0

    def close(self) -> None:
        self.ending.close()

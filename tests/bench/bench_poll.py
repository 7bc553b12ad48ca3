"""What waiting costs, and how soon who waits hears: thousands of long-polls at one process, commands for some of them.

The brain, who waits and who sends events are processes of their own. `dispatch` is the time from the commit of a
command to its arrival at the agent that waits. "Busy" means that events come at half of what the brain takes at most,
measured right before, while nobody waited. Across processes: committed in one, waited for in another, on
PostgreSQL and Valkey. BENCH_WAITERS (9,000) chooses how many wait.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django  # noqa: E402

if __name__ == "__main__":
    django.setup()

from z4j_core import wire  # noqa: E402

from tests import wire as sent  # noqa: E402
from tests.bench import rows  # noqa: E402
from tests.bench.waiters import boot  # noqa: E402
from tests.brain import Brain  # noqa: E402
from tests.faults.cluster import Channel, wait_until_ready  # noqa: E402
from tests.store import ROOT, PostgresStore, SQLiteStore, Store  # noqa: E402

WAITERS = int(os.environ.get("BENCH_WAITERS", "9000"))
ACROSS = min(WAITERS, 1000)
DISPATCHES = 200
SENDERS = 4
#: Seconds of sending as fast as it goes, to find out how fast that is.
FLAT_OUT = 6.0
#: Seconds of sending at half of that, while commands are committed.
BUSY = 20.0


class Process:
    """A brain that commits commands when told to."""

    def __init__(self, brain: Brain, role: str, agents: int, **settings: str) -> None:
        with (brain.data_dir / "brain.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.waiters", role, str(agents)],
                cwd=ROOT,
                env=brain.environment() | settings,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        wait_until_ready(brain, int(settings.get("Z4J_PORT", brain.port)), 120)

    def dispatch(self, number: int) -> tuple[str, float]:
        """Which command was committed for this agent, and when."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"dispatch {number}\n")
        self.process.stdin.flush()
        while not (line := self.process.stdout.readline()).startswith("sent "):
            assert line, "the brain ended"
        _, command, at = line.split()
        return command, float(at)

    def resident(self) -> float:
        """MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) / 1024

    def cpu(self) -> float:
        """Seconds, of user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def signing(brain: Brain, **settings: str) -> Iterator[None]:
    """A process that signs the log: no command leaves before its request is sealed."""
    with (brain.data_dir / "brain.log").open("ab") as log:
        command = [sys.executable, "-m", "z4j_brain.cli", "signer"]
        process = subprocess.Popen(command, cwd=ROOT, env=brain.environment() | settings, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.kill()
        process.wait()


class Waiting:
    """Agents that poll for ever, in this process, on one loop."""

    def __init__(self, port: int, bearer: str) -> None:
        self.port, self.bearer = port, bearer
        self.arrived: dict[str, float] = {}
        self.open = 0
        self.refused = 0
        self._connecting = asyncio.Semaphore(200)

    async def run(self, number: int) -> None:
        async with self._connecting:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            await asyncio.sleep(0.05)
        self.open += 1
        # Spread over time, as agents are that were not started in one moment.
        wait, ask = random.randint(10, wire.MAX_WAIT), self._request(number)  # noqa: S311
        while True:
            writer.write(ask(wait))
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(int(re.findall(rb"(?i)content-length: (\d+)", head)[0]))
            now, wait = time.monotonic(), wire.MAX_WAIT
            if b" 200 " not in head[:16]:
                self.refused += 1
                await asyncio.sleep(1)
                continue
            for signed in json.loads(body)["commands"]:
                self.arrived.setdefault(sent.opened(signed)["id"], now)

    def _request(self, number: int):  # type: ignore[no-untyped-def]
        tail = f" HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.bearer}\r\n\r\n"
        path = f"GET {wire.COMMANDS_PATH}?boot={boot(number)}&v=1&wait="
        return lambda wait: f"{path}{wait}{tail}".encode()

    async def measure(self, process: Process, count: int, waiters: int) -> list[float]:
        """Milliseconds from commit to arrival, for commands to agents by chance."""
        committed = []
        for _ in range(count):
            committed.append(await asyncio.to_thread(process.dispatch, random.randrange(waiters)))  # noqa: S311
            await asyncio.sleep(0.02)
        until = time.monotonic() + 60
        while missing := [command for command, _ in committed if command not in self.arrived]:
            assert time.monotonic() < until, f"{len(missing)} of {count} commands did not arrive: {missing[:3]}"
            await asyncio.sleep(0.1)
        return [max(self.arrived[command] - at, 0) * 1000 for command, at in committed]


def p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]


async def one_process(store: Store, folder: Path) -> list[rows.Row]:
    brain = Brain(store, folder / "one")
    with ExitStack() as stack:
        process = stack.enter_context(Process(brain, "serve", WAITERS))
        most = await asyncio.to_thread(send, brain, FLAT_OUT, None)
        empty = process.resident()
        waiting = Waiting(brain.port, brain.agent_bearer())
        polls = [asyncio.create_task(waiting.run(number)) for number in range(WAITERS)]
        async with asyncio.timeout(180):
            while waiting.open < WAITERS:
                await asyncio.sleep(0.2)
        await asyncio.sleep(5)
        _raise_of(polls)
        before, began = process.cpu(), time.monotonic()
        await asyncio.sleep(5)
        idle_cpu = (process.cpu() - before) / (time.monotonic() - began)
        idle = await waiting.measure(process, DISPATCHES, WAITERS)
        memory = process.resident()
        command = [sys.executable, __file__, "send", str(brain.port), brain.agent_bearer(), str(BUSY), str(most / 2)]
        sender = subprocess.Popen(command, env=os.environ, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        await asyncio.sleep(3)
        busy = await waiting.measure(process, DISPATCHES, WAITERS)
        achieved = float((await asyncio.to_thread(sender.communicate))[0])
        refused = waiting.refused
        _raise_of(polls)
        for poll in polls:
            poll.cancel()
    brain.close()
    what = f"{WAITERS:,} waiting polls, one process"
    return [
        rows.at_most(f"{what}: memory", memory, "MB", 200),
        rows.shown(f"{what}: memory of one", (memory - empty) * 1024 / WAITERS, "KB"),
        rows.shown(f"{what}: idle CPU", idle_cpu, "cores"),
        rows.shown(f"{what}: refused", refused, "polls"),
        rows.shown(f"{what}: dispatch idle, median", statistics.median(idle), "ms"),
        rows.at_most(f"{what}: dispatch idle, p99", p99(idle), "ms", 10),
        rows.shown("ingest while nobody waits", most, "events/s"),
        rows.shown(f"{what}: ingest while busy", achieved, "events/s", most),
        rows.shown(f"{what}: dispatch busy, median", statistics.median(busy), "ms"),
        rows.at_most(f"{what}: dispatch busy, p99", p99(busy), "ms", 100),
    ]


async def across(store: Store, folder: Path) -> list[rows.Row]:
    brain, channel = Brain(store, folder / "across"), Channel(folder / "valkey")
    other = str(brain.port + 1)
    with ExitStack() as stack:
        here = stack.enter_context(Process(brain, "web", ACROSS, Z4J_CHANNEL_URL=channel.url, Z4J_PORT=other))
        stack.enter_context(Process(brain, "web", ACROSS, Z4J_CHANNEL_URL=channel.url))
        stack.enter_context(signing(brain, Z4J_CHANNEL_URL=channel.url))
        waiting = Waiting(brain.port, brain.agent_bearer())
        polls = [asyncio.create_task(waiting.run(number)) for number in range(ACROSS)]
        async with asyncio.timeout(60):
            while waiting.open < ACROSS:
                await asyncio.sleep(0.2)
        await asyncio.sleep(3)
        times = await waiting.measure(here, DISPATCHES, ACROSS)
        for poll in polls:
            poll.cancel()
    channel.close()
    brain.close()
    return [
        rows.shown("dispatch across processes, median", statistics.median(times), "ms"),
        rows.at_most("dispatch across processes, p99", p99(times), "ms", 250),
    ]


def _raise_of(polls: list[asyncio.Task[None]]) -> None:
    """What went wrong with a poll, if one has ended: it should wait for ever."""
    for poll in polls:
        if poll.done():
            poll.result()


def send(brain: Brain, seconds: float, rate: float | None) -> float:
    return _send(brain.port, brain.agent_bearer(), seconds, rate)


def _send(port: int, bearer: str, seconds: float, rate: float | None) -> float:
    """Events a second that were taken: as fast as it goes, or at this rate."""
    bodies = [[_body(number) for number in range(30)] for _ in range(SENDERS)]
    until = time.monotonic() + seconds
    headers = {"Authorization": f"Bearer {bearer}", "Content-Encoding": "gzip"}

    def run(bodies: list[bytes]) -> int:
        connection, taken, began = HTTPConnection("127.0.0.1", port, timeout=60), 0, time.monotonic()
        while time.monotonic() < until and bodies:
            connection.request("POST", wire.EVENTS_PATH, bodies.pop(), headers)
            answer = connection.getresponse()
            content = answer.read()
            taken += json.loads(content)["accepted"] if answer.status == 200 else 0
            if not bodies:
                bodies.extend(_body(number) for number in range(5))
            if rate is not None:
                time.sleep(max(0.0, began + taken / (rate / SENDERS) - time.monotonic()))
        return taken

    began = time.monotonic()
    with ThreadPoolExecutor(SENDERS) as pool:
        return sum(pool.map(run, bodies)) / (time.monotonic() - began)


def _body(number: int) -> bytes:
    """500 events of tasks of their own: received, started, succeeded."""
    events, name = [], uuid.uuid4().hex
    for seq in range(1, wire.MAX_EVENTS + 1):
        kind = ("task.received", "task.started", "task.succeeded")[seq % 3]
        run = None if kind == "task.received" else sent.START
        events.append(sent.event(seq, kind, f"{name}-{seq // 3}", name=f"shop.order_{number}", queue="high", run=run))
    return gzip.compress(sent.raw(sent.batch(*events)), 1)


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="z4j-bench-") as place:
        folder = Path(place)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        (folder / "sqlite").mkdir()
        told = await one_process(SQLiteStore(folder / "sqlite"), folder)
        (folder / "postgres").mkdir()
        store = PostgresStore(folder / "postgres")
        told += await across(store, folder)
        store.close()
    rows.tell(told)


if __name__ == "__main__":
    if sys.argv[1:2] == ["send"]:
        print(_send(int(sys.argv[2]), sys.argv[3], float(sys.argv[4]), float(sys.argv[5])))
    else:
        asyncio.run(main())

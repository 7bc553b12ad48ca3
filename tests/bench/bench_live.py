"""What open pages cost: a hundred of them, over ten views, while 200 events a second come in.

Ten people, in two roles, have each of the ten views open. A page is a websocket that hears what its page watches, and
asks for the page anew when it is told to, as static/js/live.js does. The brain is a process of its own, and its CPU
time is what counts.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django  # noqa: E402

if __name__ == "__main__":
    django.setup()

from z4j_core import wire  # noqa: E402

from tests import wire as sent  # noqa: E402
from tests.bench import rows  # noqa: E402
from tests.brain import Brain  # noqa: E402
from tests.store import ROOT, open_store  # noqa: E402

PEOPLE, TASKS = 10, 20_000
VIEWS = (
    "", "tasks/", "tasks/?state=failed", "issues/", "statistics/", "queues/", "workers/", "dead-letters/", "schedules/",
    "operations/",
)  # fmt: skip
PLACE = "harbor/production"
#: Events a second, in as many batches of one agent.
EVENTS, BATCHES = 200, 8
#: Seconds that are not counted, and those that are.
FIRST, COUNTED = float(os.environ.get("BENCH_FIRST", "12")), float(os.environ.get("BENCH_SECONDS", "30"))
#: As live.js has it: what every page watches besides, and seconds.
TRAY = ("operation", "approval", "alert")
AT_ONCE, SAFETY = 0.4, 30.0

TEXT, CLOSE, PONG = 0x81, 0x88, 0x8A


class Line:
    """One connection for requests, kept open."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, bytes]:
        if self.writer is None or self.writer.is_closing():
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        assert self.reader
        told = {"Host": f"127.0.0.1:{self.port}", "Content-Length": str(len(body))} | headers
        head = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
        self.writer.write("\r\n".join([*head, "", ""]).encode() + body)
        answer = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = re.search(r"content-length: (\d+)", answer)
        assert length, answer
        return int(answer.split()[1]), await self.reader.readexactly(int(length[1]))


class Page:
    """One tab: it watches, and asks anew."""

    def __init__(self, brain: Brain, session: str, view: str) -> None:
        self.brain, self.cookie = brain, f"z4j={session}"
        self.path = f"/{PLACE}/{view}"
        self.line = Line(brain.port)
        self.asked, self.told = 0, 0
        self.due: asyncio.TimerHandle | None = None
        self.last, self.busy, self.at = time.monotonic(), False, "1"

    async def open(self) -> None:
        status, body = await self.line.ask("GET", self.path, {"Cookie": self.cookie})
        watch = re.search(rb'data-watch="([^"]*)"', body)
        assert status == 200 and watch, (self.path, status)
        self.kinds = watch[1].decode().split()
        while not await self._upgrade():  # a machine that is busy may be too slow for the handshake's time
            await asyncio.sleep(1)
        write(self.writer, TEXT, json.dumps({"subscribe": PLACE, "watch": [*self.kinds, *TRAY]}).encode())

    async def live(self) -> None:
        asyncio.get_running_loop().call_later(SAFETY, self._safely)
        while True:
            self.heard(json.loads(await self._read()))

    def heard(self, message: dict[str, object]) -> None:
        if message["kind"] == "subscribed":
            return
        self.told += 1
        self.at = str(message.get("at", "1"))
        if message["kind"] in self.kinds and self.due is None:
            self.due = asyncio.get_running_loop().call_later(AT_ONCE * (1 + random.random()), self._ask)

    def _ask(self) -> None:
        self.task = asyncio.ensure_future(self._refresh())

    def _safely(self) -> None:
        asyncio.get_running_loop().call_later(SAFETY, self._safely)
        if time.monotonic() - self.last >= SAFETY:
            self._ask()

    async def _refresh(self) -> None:
        self.due = None
        if self.busy:
            return
        self.busy = True
        status, _ = await self.line.ask("GET", self.path, {"Cookie": self.cookie, "X-Live": self.at})
        assert status == 200, (self.path, status)
        self.asked, self.last, self.busy = self.asked + 1, time.monotonic(), False

    async def _read(self) -> bytes:
        """The next message. A server that asks whether anybody is there is answered, as browsers do."""
        while True:
            kind, size = await self.reader.readexactly(2)
            size = int.from_bytes(await self.reader.readexactly(2)) if size == 126 else size
            body = await self.reader.readexactly(size)
            assert kind != CLOSE, ("closed", int.from_bytes(body[:2]))
            if kind == TEXT:
                return body
            write(self.writer, PONG, body)

    async def _upgrade(self) -> bool:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.brain.port)
        head = ["GET /ws/ HTTP/1.1", f"Host: 127.0.0.1:{self.brain.port}", f"Origin: {self.brain.url}"]
        head += [f"Cookie: {self.cookie}", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
        head += [f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}"]
        self.writer.write("\r\n".join([*head, "", ""]).encode())
        try:
            return b" 101 " in await self.reader.readuntil(b"\r\n\r\n")
        except (ConnectionError, EOFError):
            return False


def write(writer: asyncio.StreamWriter, kind: int, body: bytes) -> None:
    """A message, masked by nothing."""
    size = [0x80 | 126, *len(body).to_bytes(2)] if len(body) >= 126 else [0x80 | len(body)]
    writer.write(bytes([kind, *size, 0, 0, 0, 0]) + body)


async def work(brain: Brain) -> None:
    """An agent that tells of tasks without end: one in fifty fails."""
    boot, line, seq = uuid.uuid4(), Line(brain.port), 2
    headers = {"Authorization": f"Bearer {brain.agent_bearer()}", "Content-Type": "application/json"}
    await line.ask("POST", wire.EVENTS_PATH, headers, sent.raw(sent.batch(sent.online(1), boot=boot)))
    begun = time.monotonic()
    while True:
        events = []
        for one in range(seq, seq + EVENTS // BATCHES):
            kind = ("task.received", "task.started", "task.failed" if one % 150 == 1 else "task.succeeded")[one % 3]
            told = {"name": f"shop.task_{one // 3 % 20}", "queue": "emails", "worker": "celery@host-1"}
            if kind == "task.failed":
                told["error"] = {"type": "TimeoutError", "message": "no answer", "traceback": "TimeoutError: no answer"}
            events.append(sent.event(one, kind, f"live-{one // 3}", ts=sent.now(), **told))
        status, _ = await line.ask("POST", wire.EVENTS_PATH, headers, sent.raw(sent.batch(*events, boot=boot)))
        assert status == 200, status
        seq += len(events)
        await asyncio.sleep(max(0.0, begun + (seq - 2) / EVENTS - time.monotonic()))


def cpu(brain: Brain) -> float:
    """Seconds, of user and system."""
    assert brain.process
    fields = Path(f"/proc/{brain.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def spent(brain: Brain) -> float:
    """Cores that the brain takes from now on for a while."""
    began, before = time.monotonic(), cpu(brain)
    await asyncio.sleep(COUNTED)
    return (cpu(brain) - before) / (time.monotonic() - began)


async def measure(brain: Brain, sessions: list[str]) -> list[rows.Row]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work(brain))]
        await asyncio.sleep(FIRST / 2)
        alone = await spent(brain)
        pages = [Page(brain, session, view) for session in sessions for view in VIEWS]
        for page in pages:
            await page.open()
            tasks.append(group.create_task(page.live()))
        await asyncio.sleep(FIRST)
        before = sum(page.asked for page in pages)
        watched = await spent(brain)
        asked = (sum(page.asked for page in pages) - before) / COUNTED
        for task in tasks:
            task.cancel()
    name = f"{len(pages)} open pages, {EVENTS} events a second"
    return [
        rows.shown(f"{EVENTS} events a second, nobody looks: CPU of the brain", alone, "cores"),
        rows.shown(f"{name}: pages asked for anew", asked, "/s"),
        rows.at_most(f"{name}: CPU of the brain", watched, "cores", 0.25),
        rows.shown(f"{name}: of that, for the pages", watched - alone, "cores"),
    ]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="z4j-bench-") as folder:
        store = open_store(Path(folder) / "store")
        brain = Brain(store, Path(folder) / "brain")
        try:
            command = [sys.executable, "-m", "tests.bench.audience", str(PEOPLE), str(TASKS)]
            made = subprocess.run(command, cwd=ROOT, env=brain.environment(), check=True, stdout=subprocess.PIPE)
            brain.start(120)
            rows.tell(asyncio.run(measure(brain, json.loads(made.stdout))))
        finally:
            brain.close()
            store.close()


if __name__ == "__main__":
    main()

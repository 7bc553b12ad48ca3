"""Many agents in one process: each introduces itself, waits for commands, and comes back when the brain was away."""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from z4j_core import wire

from tests import wire as sent

#: As an agent waits after its first failures: a chance up to this, after what the brain asks for.
FIRST, LAST = 0.5, 8.0


@dataclass
class Crowd:
    """`waiting` are the agents that a brain has taken a batch from, and that wait for its commands."""

    port: int
    bearer: str
    waiting: set[int] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    #: When the brain said that it failed.
    failures: list[float] = field(default_factory=list)
    commands: list[tuple[int, float]] = field(default_factory=list)

    def boot(self, number: int) -> uuid.UUID:
        return uuid.UUID(int=10_000 + number)

    def task(self, number: int) -> str:
        return f"crowd-{number}"

    async def run(self, count: int) -> None:
        await asyncio.gather(*(self._live(number) for number in range(count)))

    async def _live(self, number: int) -> None:
        failed, seq = 0, 1
        while True:
            try:
                failed, seq = await self._connected(number, seq)
            except (OSError, EOFError):
                failed += 1
            self.waiting.discard(number)
            await asyncio.sleep(random.uniform(0.05, min(LAST, FIRST * 2**failed)))  # noqa: S311

    async def _connected(self, number: int, seq: int) -> tuple[int, int]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            failed = 0
            while True:
                status, headers, _ = await self._ask(reader, writer, "POST", wire.EVENTS_PATH, self._batch(number, seq))
                if status == 200:
                    break
                failed += 1
                await asyncio.sleep(float(headers.get("retry-after", 1)) + random.uniform(0, FIRST * 2**failed))  # noqa: S311
            path = f"{wire.COMMANDS_PATH}?boot={self.boot(number)}&wait=25&v=1"
            while True:
                self.waiting.add(number)
                status, _, body = await self._ask(reader, writer, "GET", path)
                if status != 200:
                    return 1, seq + 2
                if body["commands"]:
                    self.commands.append((number, time.monotonic()))
        finally:
            writer.close()

    def _batch(self, number: int, seq: int) -> bytes:
        boot = self.boot(number)
        failed = sent.event(seq + 1, "task.failed", self.task(number), vault=str(boot))
        return sent.raw(sent.batch(sent.online(seq, vault=str(boot)), failed, boot=boot))

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, path: str, body: bytes = b""
    ) -> tuple[int, dict[str, str], Any]:
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.bearer}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        content = await reader.readexactly(int(headers["content-length"]))
        status = int(lines[0].split()[1])
        self.statuses[status] += 1
        if status >= 500:
            self.failures.append(time.monotonic())
        return status, headers, json.loads(content)

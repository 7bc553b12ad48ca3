"""How the audit log stands, for agents that remember how it stood: looked up once for all who ask.

Thousands of polls ask, and most of them know the newest checkpoint already; of the others many remember the same one.
"""

from __future__ import annotations

import asyncio
import base64
import time
from dataclasses import dataclass
from functools import partial

from z4j_core import note, wire
from z4j_core.note import Checkpoint

from z4j_brain.gateway.writer import reader
from z4j_brain.ledger import proofs
from z4j_brain.lib.digits import whole

#: How long the newest checkpoint is taken for the newest. Whoever remembers more than it says has it looked up anew.
FRESH = 1.0
#: Proofs that are kept.
KEPT = 1_000
#: Digits of a size.
_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an agent says that it remembers."""

    origin: str
    size: int


@dataclass(frozen=True, slots=True)
class Newest:
    """A checkpoint and its note; `first` is the note with which its generation began, where another was before."""

    generation: int
    point: Checkpoint
    note: str
    first: str = ""


def remembered(origin: str, size: str) -> Remembered | None:
    """None when nothing, or nothing that could be, was said."""
    known = origin and len(origin) <= wire.MAX_ID and size.isascii() and size.isdigit() and len(size) <= _DIGITS
    return Remembered(origin, int(size)) if known else None


class Heads:
    def __init__(self) -> None:
        self._newest: Newest | None = None
        self._looked_at = -FRESH
        self._known: dict[tuple[int, int, int], list[str]] = {}
        self._looking = asyncio.Lock()

    async def told(self, known: Remembered | None, since: float, under: str = "") -> wire.Log | None:
        """What the answer to a poll that began at `since` (monotonic) says of the log; None when there is nothing new.

        `under`: the note that commands in the answer are proven under.
        """
        newest = await self._find(known, since, under)
        if newest is None:
            return None
        point = newest.point
        if known is None:
            return wire.Log(checkpoint=newest.note, proof=[])
        if known.origin != point.origin:
            begun = newest.first or newest.note
            size = note.read(begun).checkpoint.size
            proof = await self._proof(newest.generation, size, point.size)
            return wire.Log(checkpoint=newest.note, proof=proof, first=begun)
        if known.size == point.size:
            return None
        proof = await self._proof(newest.generation, known.size, point.size) if known.size < point.size else []
        return wire.Log(checkpoint=newest.note, proof=proof)

    async def _find(self, known: Remembered | None, since: float, under: str) -> Newest | None:
        if self._must_look(known, since, under):
            async with self._looking:
                if self._must_look(known, since, under):
                    looked_at = time.monotonic()
                    self._newest = await reader.run_urgent(_look)
                    self._looked_at = looked_at
        found = self._newest
        if found is not None and under and under != found.note:
            point = note.read(under).checkpoint
            return Newest(found.generation, point, under, found.first) if point.origin == found.point.origin else None
        return found

    def _must_look(self, known: Remembered | None, since: float, under: str) -> bool:
        """Another brain may have sealed since we looked, and told the agent of it."""
        if time.monotonic() - self._looked_at >= FRESH:
            return True
        if self._looked_at >= since:
            return False
        newest = self._newest
        if newest is None or (under and under != newest.note):
            return True
        return known is not None and (known.origin != newest.point.origin or known.size > newest.point.size)

    async def _proof(self, generation: int, old: int, new: int) -> list[str]:
        key = generation, old, new
        if key not in self._known:
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[key] = await reader.run_urgent(partial(proof, generation, old, new))
        return self._known[key]


def proof(generation: int, old: int, new: int) -> list[str]:
    """That the log with `new` entries begins with the one with `old`, as it travels. Raises LookupError, ValueError."""
    return [base64.b64encode(part).decode() for part in proofs.consistency(generation, old, new)]


def between(origin: str, old: int, new: int) -> wire.Log | None:
    """The proof that the log of this name with `new` entries begins with the one with `old`, if there is one."""
    number = whole(origin.rpartition("/")[2], 9)
    newest = None if number is None else proofs.of_generation(number)
    if newest is None or note.read(newest.note).checkpoint.origin != origin or not old <= new <= newest.size:
        return None
    try:
        root = base64.b64encode(proofs.root(newest.generation, old)).decode()
        return wire.Log(checkpoint=newest.note, proof=proof(newest.generation, old, new), root=root)
    except (LookupError, ValueError):
        return None


def _look() -> Newest | None:
    found = proofs.latest()
    if found is None:
        return None
    first = proofs.first_of_generation(found.generation) if found.generation > 1 else None
    return Newest(found.generation, note.read(found.note).checkpoint, found.note, first.note if first else "")


_heads: tuple[asyncio.AbstractEventLoop, Heads] | None = None


def heads() -> Heads:
    """Those of the running loop."""
    global _heads
    loop = asyncio.get_running_loop()
    if _heads is None or _heads[0] is not loop:
        _heads = loop, Heads()
    return _heads[1]

"""A small log for tests that stand where the brain stands: their commands carry proofs that hold."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from z4j_core import merkle, note, statement, wire

ORIGIN = "brain.test/z4j/audit/1"


class Log:
    """`sign`: by the private half of `public`. Each request is a leaf; each leaf has its checkpoint."""

    def __init__(self, public: bytes, sign: note.Sign, origin: str = ORIGIN) -> None:
        self.public, self.origin = public, origin
        self._sign = sign
        self.leaves: list[bytes] = []

    @property
    def size(self) -> int:
        return len(self.leaves)

    def checkpoint(self, size: int | None = None) -> str:
        """The note about the first `size` leaves; all when none is given."""
        known = self.leaves[:size]
        point = note.Checkpoint(self.origin, len(known), merkle.root(map(merkle.leaf_hash, known)))
        return note.sign(point, self.origin, self.public, self._sign)

    def append(self, entry: Mapping[str, Any] | bytes) -> int:
        """Where it stands."""
        self.leaves.append(entry if isinstance(entry, bytes) else statement.encode(entry))
        return len(self.leaves) - 1

    def consistency(self, old: int, new: int) -> list[str]:
        return _told(merkle.consistency(old, new, self._node))

    def log(self, size: int = 0) -> wire.Log:
        """What a poll is told that remembers so many entries; nothing can be proven to who remembers more."""
        proof = self.consistency(size, self.size) if size <= self.size else []
        return wire.Log(checkpoint=self.checkpoint(), proof=proof)

    def prove(self, *commands: wire.Command, **changes: Any) -> list[wire.Proof]:
        """Seal a request for these commands, and prove each. `changes`: what the entry shall say instead."""
        said = [_statement(command) for command in commands]
        root, ways = statement.tree(said)
        index = self.append({"phase": "request", "outcome": "allowed", "commands": root.hex()} | changes)
        return [
            wire.Proof(
                entry=base64.b64encode(self.leaves[index]).decode(),
                index=index,
                path=_told(merkle.inclusion(index, self.size, self._node)),
                checkpoint=self.checkpoint(),
                statement=base64.b64encode(said[number]).decode(),
                number=number,
                count=len(said),
                way=_told(ways[number]),
            )
            for number in range(len(said))
        ]

    def _node(self, level: int, index: int) -> bytes:
        leaves = self.leaves[index << level : (index + 1) << level]
        return merkle.root(map(merkle.leaf_hash, leaves))


def _statement(command: wire.Command) -> bytes:
    parts = ("id", "operation", "project", "environment", "engine", "verb", "params", "expires")
    said: dict[str, Any] = {part: command[part] for part in parts}  # type: ignore[literal-required]
    targets = [statement.identity(target) for target in command["targets"]]
    return statement.encode(said | {"v": statement.VERSION, "targets": targets, "salt": uuid.uuid4().hex})


def _told(hashes: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(part).decode() for part in hashes]

"""What the signer remembers outside the database: a small file beside the keys, written before a note leaves it.

It says which checkpoint was signed last and which one it follows. A crash between this file and the database therefore
leaves one of two things: the database has the last checkpoint, or it still has the one before, and then the entries
named here give the very same tree and the note that was signed already is the one to keep.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from z4j_core import merkle

VERSION = 1


class Unreadable(Exception):
    """There is a file, and it does not say what was signed."""


@dataclass(frozen=True, slots=True)
class Head:
    """The tree of a generation, by its size and root."""

    generation: int
    size: int = 0
    root: bytes = merkle.EMPTY

    def __str__(self) -> str:
        return f"generation {self.generation}, size {self.size}, root {base64.b64encode(self.root).decode()}"


@dataclass(frozen=True, slots=True)
class Signed:
    """The note that was signed last, and the entries that its tree has beyond the head before it, in their order."""

    head: Head
    note: str
    entries: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """`origin` is the name of the generation's log; it stays when the address of the brain changes."""

    origin: str
    head: Head
    signed: Signed | None = None

    @property
    def last(self) -> Head:
        """The newest tree that was ever signed."""
        return self.signed.head if self.signed else self.head

    def dump(self) -> bytes:
        told: dict[str, Any] = {"v": VERSION, "origin": self.origin, "head": _told(self.head)}
        if self.signed:
            entries = [entry.hex for entry in self.signed.entries]
            told["signed"] = _told(self.signed.head) | {"note": self.signed.note, "entries": entries}
        return json.dumps(told).encode()

    @classmethod
    def load(cls, raw: bytes) -> Memory:
        try:
            told = json.loads(raw)
            if told["v"] != VERSION:
                raise Unreadable(f"version {told['v']} is not known here")
            signed, last = None, told.get("signed")
            if last:
                signed = Signed(_head(last), last["note"], tuple(UUID(hex=entry) for entry in last["entries"]))
            return cls(told["origin"], _head(told["head"]), signed)
        except (ValueError, KeyError, TypeError) as error:
            raise Unreadable(str(error) or type(error).__name__) from error


class Folder:
    """Where the memory lies, and the lock that keeps a second signer out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @property
    def file(self) -> Path:
        return self.path / "state.json"

    @property
    def held(self) -> bool:
        return self._lock is not None

    def hold(self) -> bool:
        """Whether this one signs here, and nobody else does."""
        if self._lock is None:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            self._lock = descriptor
        return True

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read(self) -> Memory | None:
        return Memory.load(self.file.read_bytes()) if self.file.exists() else None

    def write(self, memory: Memory) -> None:
        """Whole or not at all, and on the disk when this returns."""
        temporary = self.path / f".state.{os.getpid()}.{secrets.token_hex(4)}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(memory.dump())
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.file)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _told(head: Head) -> dict[str, Any]:
    return {"generation": head.generation, "size": head.size, "root": base64.b64encode(head.root).decode()}


def _head(told: dict[str, Any]) -> Head:
    return Head(int(told["generation"]), int(told["size"]), base64.b64decode(told["root"], validate=True))

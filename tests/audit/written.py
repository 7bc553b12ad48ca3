"""A log in memory and exports of it, written here: what the verifier must accept, and what tests then alter."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from z4j_core import merkle, note

from z4j_brain.ledger.entries import commitment
from z4j_brain.lib import canonical

LOG = "brain.example/z4j/audit"
NOON = 1_800_000_000_000_000
SECOND = 1_000_000

Parts = dict[str, bytes]


@dataclass
class Written:
    """One generation's entries, and what was erased and pruned of them."""

    number: int = 1
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    recovery: Ed25519PrivateKey | None = None
    bodies: list[bytes | None] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    privates: list[tuple[bytes, bytes] | None] = field(default_factory=list)
    notes: dict[int, str] = field(default_factory=dict)
    times: dict[int, int] = field(default_factory=dict)
    now: int = NOON

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes_raw()

    @property
    def origin(self) -> str:
        return f"{LOG}/{self.number}"

    @property
    def vkey(self) -> str:
        return note.vkey(self.origin, self.public)

    def append(self, phase: str = "admin", *, name: UUID | None = None, **body: Any) -> str:
        name, salt = name or uuid4(), hashlib.sha256(str(len(self.leaves)).encode()).digest()
        payload = canonical.encode({"display_name": "Olive Oyl", "params": {}})
        told = {"id": str(name), "ts": self.now, "phase": phase, "parent": "", "c": commitment(name, salt, payload)}
        told |= {"project": "harbor", "env": ""}
        self.bodies.append(canonical.encode(told | body))
        self.leaves.append(merkle.leaf_hash(self.bodies[-1] or b""))
        self.privates.append((salt, payload))
        self.now += SECOND
        return str(name)

    def seal(self) -> str:
        """A checkpoint over all there is; the text of its note."""
        return self.sign(len(self.leaves), merkle.root(self.leaves))

    def sign(self, size: int, root: bytes) -> str:
        checkpoint = note.Checkpoint(self.origin, size, root)
        signed = note.sign(checkpoint, self.origin, self.public, self.key.sign)
        if self.number > 1 and not self.notes and self.recovery:
            public = self.recovery.public_key().public_bytes_raw()
            signed = note.cosign(signed, "recovery", public, self.recovery.sign)
        self.notes[size], self.times[size] = signed, self.now
        return signed

    @property
    def head(self) -> dict[str, Any]:
        """How the first entry of the next generation quotes this one."""
        return {"generation": self.number, "size": len(self.leaves), "root": merkle.root(self.leaves).hex()}

    def index(self, name: str) -> int:
        return next(at for at, body in enumerate(self.bodies) if body and json.loads(body)["id"] == name)

    def erase(self, *names: str) -> None:
        erasure = self.append("erasure", entries=[UUID(name).hex for name in names])
        self.seal()
        for name in names:
            self.privates[self.index(name)] = None
        self.append("result", parent=erasure)

    def prune(self, below: int) -> None:
        pruning = self.append("prune", generation=self.number, below=below)
        self.seal()
        self.bodies[:below] = self.privates[:below] = [None] * below
        self.append("result", parent=pruning)

    def parts(self, *, personal: bool = True, left_out: set[int] | None = None) -> Parts:
        """What an export holds of this generation."""
        entries, privates = [], []
        for index, (body, private) in enumerate(zip(self.bodies, self.privates, strict=True)):
            if body is None or index in (left_out or ()):
                continue
            entries.append({"index": index, "body": base64.b64encode(body).decode()})
            if private and personal:
                salt, payload = (base64.b64encode(part).decode() for part in private)
                privates.append({"index": index, "salt": salt, "payload": payload})
        folder = f"generation-{self.number}/"
        return {
            folder + "origin.txt": f"{self.origin}\n".encode(),
            folder + "entries.jsonl": lines(entries),
            folder + "private.jsonl": lines(privates),
            folder + "checkpoints.txt": "\n".join(self.notes.values()).encode(),
            folder + "times.jsonl": lines([{"size": size, "ts": ts} for size, ts in self.times.items()]),
            folder + "tiles/leaves": b"".join(self.leaves),
        }


def lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def parts_of(*logs: Written, personal: bool = True, left_out: set[int] | None = None, **manifest: Any) -> Parts:
    """All parts of an export, the manifest with them, but for the digests that `zipped` puts in."""
    parts: Parts = {}
    for log in logs:
        parts |= log.parts(personal=personal, left_out=left_out)
    head = {"format": 1, "filter": {"project": "harbor"} if left_out else {}, "personal": personal}
    return parts | {"manifest.json": json.dumps(head | {"keys": [log.vkey for log in logs]} | manifest).encode()}


def zipped(parts: Parts, *, told: Parts | None = None) -> io.BytesIO:
    """The export that these parts make; its manifest tells of `told`, where that is something else."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            if name != "manifest.json":
                archive.writestr(name, content)
        if "manifest.json" in parts:
            digests = {name: hashlib.sha256(part).hexdigest() for name, part in (told or parts).items()}
            digests.pop("manifest.json", None)
            archive.writestr("manifest.json", json.dumps(json.loads(parts["manifest.json"]) | {"parts": digests}))
    file.seek(0)
    return file


def uuid_of(body: bytes) -> UUID:
    return UUID(json.loads(body)["id"])

"""Checkpoints of a log as signed notes (C2SP signed-note, tlog-checkpoint); who has keys makes and checks signatures.

A note is the text of a checkpoint (the log's origin, its size and its root), an empty line, and a line for each
signature. Signatures of keys that a reader does not know are kept and ignored: by them a key is rotated, and others
may sign along.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

Sign = Callable[[bytes], bytes]
#: check(signature, message): is this the signature of the key that one trusts?
Check = Callable[[bytes, bytes], bool]

ED25519 = b"\x01"
MAX_NOTE = 16 * 1024
MAX_SIGNATURES = 16
_DASH = "\u2014 "
_HASH = 32
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class BadNote(ValueError):
    """No note, or not signed by whom it should be."""


@dataclass(frozen=True)
class Checkpoint:
    """What a log is: `size` leaves whose root is `root`."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True)
class Signature:
    """`key_hash` and `name` say which key is meant; only checking says whether it signed."""

    name: str
    key_hash: bytes
    signature: bytes


@dataclass(frozen=True)
class Note:
    """A checkpoint's note as it was read: nothing in it is trusted yet."""

    checkpoint: Checkpoint
    signatures: tuple[Signature, ...]
    text: str


def key_hash(name: str, public: bytes) -> bytes:
    """The four bytes by which a note names a key."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


def vkey(name: str, public: bytes) -> str:
    """The public key as one line that people and tools exchange."""
    _check_name(name)
    return f"{name}+{key_hash(name, public).hex()}+{base64.b64encode(ED25519 + public).decode()}"


def read_vkey(text: str) -> tuple[str, bytes]:
    """The name and the public key of such a line."""
    parts = text.strip().split("+", 2)
    if len(parts) != 3:
        raise BadNote("A key is written as name+hash+key.")
    name, hashed, encoded = parts
    key = _decoded(encoded)
    if len(key) != 1 + _HASH or key[:1] != ED25519:
        raise BadNote("This is no Ed25519 key.")
    _check_name(name)
    if key_hash(name, key[1:]).hex() != hashed:
        raise BadNote("The key is not the one that its hash names.")
    return name, key[1:]


def sign(checkpoint: Checkpoint, name: str, public: bytes, sign: Sign) -> str:
    """The note of this checkpoint, signed by one key."""
    return f"{checkpoint.text()}\n{line(checkpoint.text(), name, public, sign)}"


def cosign(note: str, name: str, public: bytes, sign: Sign) -> str:
    """The note with one more signature."""
    return note + line(read(note).text, name, public, sign)


def read(note: str) -> Note:
    """What a note says and who claims to have signed it. Raises `BadNote` for what is none."""
    text, signatures = split(note)
    return Note(_checkpoint(text), signatures, text)


def split(note: str) -> tuple[str, tuple[Signature, ...]]:
    """The signed text of any note, a checkpoint or not, and its signatures."""
    if len(note) > MAX_NOTE or any(ord(char) < 0x20 and char != "\n" for char in note):
        raise BadNote("A note is short, plain text.")
    text, found, signed = note.rpartition("\n\n")
    lines = signed.split("\n")
    if not found or lines.pop() != "" or not 1 <= len(lines) <= MAX_SIGNATURES:
        raise BadNote("A note ends with an empty line and the lines of its signatures.")
    return text + "\n", tuple(_signature(line) for line in lines)


def is_signed(note: Note, name: str, public: bytes, check: Check) -> bool:
    """Whether this key signed it."""
    hashed = key_hash(name, public)
    return any(
        signature.name == name and signature.key_hash == hashed and check(signature.signature, note.text.encode())
        for signature in note.signatures
    )


def verified(note: str, name: str, public: bytes, check: Check) -> Checkpoint:
    """The checkpoint of a note that this key signed. Raises `BadNote`."""
    found = read(note)
    if not is_signed(found, name, public, check):
        raise BadNote(f"The note is not signed by {name}.")
    return found.checkpoint


def line(text: str, name: str, public: bytes, sign: Sign) -> str:
    """The line by which one key signs a text."""
    _check_name(name)
    signature = base64.b64encode(key_hash(name, public) + sign(text.encode())).decode()
    return f"{_DASH}{name} {signature}\n"


def _checkpoint(text: str) -> Checkpoint:
    lines = text.split("\n")
    if len(lines) < 4 or not lines[0] or "" in lines[3:-1] or not _SIZE.fullmatch(lines[1]):
        raise BadNote("The text is no checkpoint: origin, size and root, a line each.")
    hashed = _decoded(lines[2])
    if len(hashed) != _HASH:
        raise BadNote("The root is no hash.")
    return Checkpoint(lines[0], int(lines[1]), hashed)


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH):
        raise BadNote("A signature's line begins with an em dash and a space.")
    _check_name(name)
    raw = _decoded(encoded)
    if len(raw) < 5:
        raise BadNote("The signature is too short.")
    return Signature(name, raw[:4], raw[4:])


def _check_name(name: str) -> None:
    if not name or "+" in name or any(char.isspace() for char in name):
        raise BadNote("A key has a name without spaces and plus signs.")


def _decoded(text: str) -> bytes:
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise BadNote("This is no base64.") from error
    if base64.b64encode(raw).decode() != text:
        raise BadNote("This is no canonical base64.")
    return raw

"""The file that `z4j backup` writes: one tar with the store, the keys, the secrets, and a manifest of them.

The manifest names each file with its SHA-256, and the head of the audit log that the store has: what was restored is
held against it. Whoever has the archive has the private keys in it, so that no signature of ours could vouch for it.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
from pathlib import Path
from typing import IO

import msgspec

FORMAT = 1
MANIFEST = "manifest.json"
#: The store, by the vendor of its database.
STORES = {"sqlite": "z4j.sqlite3", "postgresql": "z4j.pgdump"}
#: Folders of the data folder that belong to an installation. What remembers the log (`signer`, `anchors`) is none: it
#: is what tells that a database was put back.
FOLDERS = ("keys", "secrets")
#: What the files in them are called.
NAME = re.compile("[a-z][a-z.]*")
#: Nothing else is ever read out of an archive.
_NAMES = re.compile(rf"(?:{'|'.join(FOLDERS)})/{NAME.pattern}|{'|'.join(map(re.escape, STORES.values()))}")
_MOST, _CHUNK = 1 << 20, 1 << 20


class BadArchive(Exception):
    """This is no backup as it was written, and here is why."""


class Head(msgspec.Struct, frozen=True):
    """The newest checkpoint in the store: the log's name, generation and size, its root in base64, and the note."""

    origin: str
    generation: int
    size: int
    root: str
    note: str

    def __str__(self) -> str:
        return f"{self.origin}, generation {self.generation}, size {self.size:,}, root {self.root}"


class Part(msgspec.Struct, frozen=True):
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """`store` is the vendor of the database, `elsewhere` the secrets that come from settings and are not here."""

    format: int
    made: str
    version: str
    store: str
    head: Head | None
    migrations: list[str]
    parts: dict[str, Part]
    elsewhere: list[str]


def parts(folder: Path) -> dict[str, Part]:
    """Each file below the folder, by its name there."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _part(path) for path in found}


def write(file: Path, manifest: Manifest, folder: Path) -> str:
    """Write what lies in `folder` to a new file of mode 0600; the SHA-256 of the whole."""
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as raw:
            with tarfile.open(fileobj=raw, mode="w:gz", compresslevel=3) as tar:
                for name in (MANIFEST, *manifest.parts):
                    tar.add(folder / name, name, recursive=False, filter=_nobodys)
            raw.flush()
            os.fsync(raw.fileno())
        return _part(file).sha256
    except BaseException:
        file.unlink()
        raise


def read(file: Path, folder: Path) -> Manifest:
    """Take an archive apart into `folder`; what is there then is what the manifest says. Raises `BadArchive`."""
    try:
        with tarfile.open(file, "r:gz") as tar:
            manifest = _manifest(tar)
            for member in tar:
                _take(tar, member, manifest, folder)
    except (tarfile.TarError, OSError, EOFError, msgspec.MsgspecError) as error:
        raise BadArchive(f"{file} cannot be read as a backup: {error}") from error
    if missing := manifest.parts.keys() - parts(folder).keys():
        raise BadArchive(f"{', '.join(sorted(missing))} is missing in the archive.")
    return manifest


def _manifest(tar: tarfile.TarFile) -> Manifest:
    first = tar.next()
    source = tar.extractfile(first) if first and first.isfile() and first.name == MANIFEST else None
    if source is None:
        raise BadArchive(f"It does not begin with {MANIFEST}: this is no backup of z4j.")
    raw = source.read(_MOST)
    told = msgspec.json.decode(raw)
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise BadArchive("The backup has a format that this release does not know.")
    manifest = msgspec.json.decode(raw, type=Manifest)
    if STORES.get(manifest.store) not in manifest.parts or not all(map(_NAMES.fullmatch, manifest.parts)):
        raise BadArchive("The manifest names what no backup has, or lacks the store.")
    return manifest


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, manifest: Manifest, folder: Path) -> None:
    if member.name == MANIFEST and member.offset == 0:
        return
    part, source = manifest.parts.get(member.name), tar.extractfile(member) if member.isfile() else None
    if part is None or source is None:
        raise BadArchive(f"{member.name} is not what the manifest says: it was put in.")
    target = folder / member.name
    target.parent.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy:
        while chunk := source.read(_CHUNK):
            copy.write(chunk)
    if _part(target) != part:
        raise BadArchive(f"{member.name} is not what the manifest says: it was damaged, or changed.")


def _part(path: Path) -> Part:
    with path.open("rb") as file:
        return Part(path.stat().st_size, _sha256(file))


def _sha256(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member

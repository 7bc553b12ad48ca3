"""The data folder: secrets made on first use, each its own file, readable by the owner alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def create(path: Path, content: bytes) -> bytes:
    """Write `content` to a new file of mode 0600, or return what is already there: of two starters, one wins."""
    for folder in (path.parent.parent, path.parent):  # the database will stand in the first
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)  # fails when another process was first: its content counts
    except FileExistsError:
        pass
    finally:
        os.unlink(temporary)
    return path.read_bytes()


def secret(folder: Path, name: str) -> str:
    """The secret of this name: 64 random bytes in hex, made on first use."""
    path = folder / "secrets" / name
    return (path.read_bytes() if path.exists() else create(path, secrets.token_hex(64).encode())).decode()

"""What proves to others that a brain has shown two logs: both signed notes, and the keys that its root vouches for."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any, Final

from z4j_bare.clock import now

FOLDER: Final = "evidence"


def keep(folder: Path, kind: str, remembered: str, shown: str, proof: list[str] | None, keys: Any) -> Path:
    """The file with it; the same evidence is kept once. Raises OSError."""
    place = folder / FOLDER
    place.mkdir(mode=0o700, exist_ok=True)
    name = hashlib.sha256(f"{kind}\n{remembered}\n{shown}".encode()).hexdigest()[:16]
    path = place / f"{kind}-{name}.json"
    told = {
        "what": kind,
        "seen": now(),
        "remembered": remembered,
        "shown": shown,
        "proof": proof,
        "keys": keys,
    }
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(told, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
    return path


def found(folder: Path) -> list[Path]:
    """What was kept so far, in no order that means anything."""
    return sorted((folder / FOLDER).glob("*.json"))

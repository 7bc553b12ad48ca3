"""What was kept of a brain that showed two logs, or seemed to: both signed notes, and the keys its root vouches for."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any, Final

from z4j_bare.clock import now

FOLDER: Final = "evidence"
#: Each file says itself whether it proves anything.
PROVEN: Final = "fork"
SAYS: Final = {
    True: "No one log has both of these signed checkpoints: whoever holds the log's key has signed two.",
    False: (
        "Both checkpoints are signed, and they may be of one log: the brain, or whoever stands before it, has not shown"
        " that they are. By itself this proves nothing."
    ),
}
#: So many that prove nothing are kept, the newest: whoever stands before the brain can cause as many as they like.
MOST_UNPROVEN: Final = 50


def keep(folder: Path, kind: str, remembered: str, shown: str, proof: list[str], keys: Any) -> Path:
    """The file with it; the same evidence is kept once. Raises OSError.

    `proof`, of a fork between two sizes: the root that the longer log had at the shorter size, and the hashes that
    lead from there to the root of the longer.
    """
    place = folder / FOLDER
    place.mkdir(mode=0o700, exist_ok=True)
    name = hashlib.sha256(f"{kind}\n{remembered}\n{shown}".encode()).hexdigest()[:16]
    path = place / f"{kind}-{name}.json"
    told = {
        "what": kind,
        "says": SAYS[kind == PROVEN],
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
    _tidy(place)
    return path


def _tidy(place: Path) -> None:
    unproven = [path for path in place.glob("*.json") if not path.name.startswith(PROVEN)]
    for path in sorted(unproven, key=lambda one: one.stat().st_mtime_ns)[:-MOST_UNPROVEN]:
        path.unlink(missing_ok=True)


def found(folder: Path) -> list[Path]:
    """What was kept so far, in no order that means anything."""
    return sorted((folder / FOLDER).glob("*.json"))

"""Whether what is written to a folder is still there after this machine, or this container, has started anew."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

#: File systems that live in memory.
_FLEETING: Final = frozenset({"tmpfs", "ramfs"})
_MOUNTS: Final = Path("/proc/self/mounts")


def is_durable(folder: Path, *, chosen: bool) -> bool:
    """`chosen`: the owner has named it. A place for temporary files that nobody chose is emptied some day."""
    resolved = folder.resolve()
    if not chosen and Path(tempfile.gettempdir()).resolve() in resolved.parents:
        return False
    return _file_system(resolved) not in _FLEETING


def _file_system(folder: Path) -> str:
    """Its type; empty where the system does not tell."""
    try:
        lines = _MOUNTS.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    places = [(place.replace("\\040", " "), kind) for _, place, kind, *_ in map(str.split, lines)]
    inside = [(len(place), kind) for place, kind in places if Path(place) in (folder, *folder.parents)]
    return max(inside, key=lambda one: one[0])[1] if inside else ""

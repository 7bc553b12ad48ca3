"""The corresponding source, as the AGPL asks: packed from the very files that run here, changes and all."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import z4j_core

BRAIN = Path(__file__).resolve().parent.parent
CORE = Path(z4j_core.__file__).resolve().parent
#: What stands beside the package in a checkout; a wheel carries templates and static files inside it.
BESIDE = ("templates", "static", "LICENSES", "requirements", "manage.py", "pyproject.toml", "README.md", "REUSE.toml")


def pack() -> bytes:
    """A tar.gz of the brain and of what it shares with its agents, in one folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, name in _parts():
            archive.add(path, f"z4j/{name}", filter=_written)
    return buffer.getvalue()


def _parts() -> list[tuple[Path, str]]:
    beside = [BRAIN.parent / name for name in BESIDE] if (BRAIN.parent / "manage.py").exists() else []
    return [(BRAIN, "z4j_brain"), (CORE, "z4j_core"), *((path, path.name) for path in beside if path.exists())]


def _written(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """What people wrote, without what machines made of it or who owns it here."""
    if "__pycache__" in member.name:
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member

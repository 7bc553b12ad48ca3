"""A small disk of its own, that a test can fill."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Volume:
    """A small disk of its own, and a file that takes its room away."""

    path: Path

    @property
    def free(self) -> int:
        told = os.statvfs(self.path)
        return told.f_bavail * told.f_frsize

    def fill(self, leave: int = 0) -> None:
        with (self.path / "filler").open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while self.free > leave:
                file.write(b"\0" * max(min(1 << 20, self.free - leave), 4096))

    def empty(self) -> None:
        (self.path / "filler").unlink()


@contextlib.contextmanager
def mounted(size: int) -> Iterator[Volume | None]:
    """None: only root may mount one."""
    path = Path(tempfile.mkdtemp(prefix="z4j-small-"))  # not in the run's own folder, which is root's alone
    path.chmod(0o711)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=False)
    try:
        yield Volume(path) if done.returncode == 0 else None
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "-l", path], check=True)
        path.rmdir()

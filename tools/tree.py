"""Where things are in this tree, found by looking: a new agent package is picked up without editing anything."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".z4j"
BRAIN = ROOT / ".venv" / "bin" / "python"
CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")


@dataclass(frozen=True)
class Package:
    """One distribution of z4j_agents/."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def python(self) -> Path:
        """Of its own environment when it needs libraries of its own, otherwise of the brain's."""
        own = (self.folder / "requirements.txt").exists()
        return self.folder.parents[1] / f".venv-{self.name}" / "bin" / "python" if own else BRAIN

    @property
    def variants(self) -> dict[str, Path]:
        """Other environments its tests run in: the oldest release of its engine, another Python. Python by name."""
        found = [path.stem.removeprefix("requirements-") for path in sorted(self.folder.glob("requirements-*.txt"))]
        places = {
            f"{self.name}-{variant}": self.folder.parents[1] / f".venv-{self.name}-{variant}" for variant in found
        }
        return {name: place / "bin" / "python" for name, place in places.items()}

    @property
    def engines(self) -> list[str]:
        """The engines it registers an adapter for."""
        project = tomllib.loads((self.folder / "pyproject.toml").read_text())["project"]
        return sorted(project.get("entry-points", {}).get("z4j.engines", {}))

    @property
    def schedulers(self) -> dict[str, str]:
        """The adapters of schedulers that it registers, by the module that each is looked for by."""
        project = tomllib.loads((self.folder / "pyproject.toml").read_text())["project"]
        return dict(project.get("entry-points", {}).get("z4j.schedulers", {}))

    @property
    def modules(self) -> list[Path]:
        return sorted(path.parent for path in self.folder.glob("src/*/__init__.py"))

    @property
    def tests(self) -> Path:
        return self.folder / "tests"


def packages(root: Path = ROOT) -> list[Package]:
    return [Package(path.parent) for path in sorted(root.glob("z4j_agents/*/pyproject.toml"))]


def interpreter(variant: str) -> str | None:
    """Which Python an environment of this variant is made with, as a path: `python3.10` is looked for on this machine
    and may be missing (None); any other variant has the one that runs us.
    """
    if not re.fullmatch(r"python3\.\d+", variant):
        return sys.executable
    kept = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    places = [shutil.which(variant), *sorted(map(str, Path(kept).glob(f"versions/3.*/bin/{variant}")))]
    return next((place for place in places if place and _answers(place)), None)


def _answers(python: str) -> bool:
    return subprocess.run([python, "-c", "import venv, ensurepip"], capture_output=True).returncode == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_in_group(
    command: list[str | Path],
    *,
    timeout: float,
    environment: dict[str, str] | None = None,
    cwd: Path = ROOT,
    output: IO[bytes] | None = None,
) -> int:
    """Run a command whose children end with it: at its end, at the timeout, and when we are told to stop."""
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | (environment or {}),
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        start_new_session=True,
    )
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return -signal.SIGALRM
    finally:
        kill_group(process.pid)


def kill_group(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def stop_on_sigterm() -> None:
    """Make SIGTERM unwind the stack, so that every `finally` runs."""

    def stop(*_: object) -> None:
        raise SystemExit(143)

    signal.signal(signal.SIGTERM, stop)

"""Where things are in this tree, found by looking: a new agent package is picked up without editing anything."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

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
    def modules(self) -> list[Path]:
        return sorted(path.parent for path in self.folder.glob("src/*/__init__.py"))

    @property
    def tests(self) -> Path:
        return self.folder / "tests"


def packages(root: Path = ROOT) -> list[Package]:
    return [Package(path.parent) for path in sorted(root.glob("z4j_agents/*/pyproject.toml"))]


def run_in_group(
    command: list[str | Path], *, timeout: float, environment: dict[str, str] | None = None, cwd: Path = ROOT
) -> int:
    """Run a command whose children end with it: at its end, at the timeout, and when we are told to stop."""
    process = subprocess.Popen(
        [str(part) for part in command], cwd=cwd, env=os.environ | (environment or {}), start_new_session=True
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

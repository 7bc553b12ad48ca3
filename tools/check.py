"""The quick checks, two at a time: lint, types, layers, licences, migrations, documents and unit tests."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tree import BRAIN, ROOT, packages

BIN = BRAIN.parent


@dataclass(frozen=True)
class Step:
    name: str
    command: list[str | Path]


def steps() -> Iterator[Step]:
    """The slowest first, so that the cores are busy to the end."""
    yield Step("types of the brain", [BIN / "mypy", "z4j_brain", "tools", "demo"])
    yield Step("types of the agents", [BRAIN, "tools/check.py", "--agents"])
    yield Step("architecture", [BRAIN, "-m", "pytest", "-q", "tests/architecture"])
    yield Step("unit tests", [BRAIN, "-m", "pytest", "-q", "-m", "not soak", "tests/lib"])
    core = ROOT / "z4j_agents" / "z4j-core"
    settings: list[str | Path] = ["-c", core / "pyproject.toml", "--rootdir", core, "-p", "no:django"]
    yield Step("unit tests of the core", [BRAIN, "-m", "pytest", "-q", "-m", "not soak", *settings, core / "tests"])
    yield Step("lint", [BIN / "ruff", "check", "."])
    yield Step("format", [BIN / "ruff", "format", "--check", "."])
    yield Step("layers", [BIN / "lint-imports", "--no-logo", "--cache-dir", ".z4j/import-linter"])
    yield Step("licences", [BIN / "reuse", "lint", "--lines"])
    yield Step("migrations", [BRAIN, "manage.py", "makemigrations", "--check", "--dry-run"])
    yield Step("documents", [BRAIN, "tools/reference.py", "--check"])


def main() -> int:
    if "--agents" in sys.argv:
        return agents()
    started = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        broken = [name for name, ok in _finished(pool) if not ok]
    print(f"{time.monotonic() - started:.0f} s: " + (f"broken: {', '.join(broken)}" if broken else "all is well"))
    return 1 if broken else 0


def _finished(pool: ThreadPoolExecutor) -> Iterator[tuple[str, bool]]:
    for future in as_completed([pool.submit(_run, step) for step in steps()]):
        step, result, seconds = future.result()
        print(f"{'ok  ' if result.returncode == 0 else 'FAIL'} {step.name} ({seconds:.1f} s)", flush=True)
        if result.returncode:
            print(result.stdout, flush=True)
        yield step.name, result.returncode == 0


def _run(step: Step) -> tuple[Step, subprocess.CompletedProcess[str], float]:
    started = time.monotonic()
    command = [str(part) for part in step.command]
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return step, result, time.monotonic() - started


def agents() -> int:
    """Types of each agent package, each seen with the libraries of its own environment."""
    by_python: dict[Path, list[Path]] = {}
    for package in packages():
        by_python.setdefault(package.python, []).extend(package.modules)
    config = ROOT / "z4j_agents" / "mypy.ini"
    codes = []
    for python, modules in by_python.items():
        cache = ROOT / ".mypy_cache" / python.parents[1].name.lstrip(".")
        options: list[str | Path] = ["--config-file", config, "--python-executable", python, "--cache-dir", cache]
        codes.append(subprocess.run([BIN / "mypy", *options, *modules], cwd=ROOT).returncode)
    return max(codes, default=0)


if __name__ == "__main__":
    sys.exit(main())

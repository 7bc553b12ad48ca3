"""Builds the environments: .venv for the brain, one .venv-<folder> per engine, and the system parts tests need.

Runs on a bare Python 3.11 or newer: it uses the standard library only. What is there already is left alone: each
environment carries a stamp of everything it was built from.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".z4j"
UV = WORK / "uv" / "bin" / "uv"
CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--system", action="store_true", help="also the system parts that tests need")
    parser.add_argument("--lock", action="store_true", help="write every requirements file anew, with hashes")
    options = parser.parse_args()
    with _one_at_a_time():
        _uv()
        if options.lock:
            _lock()
            return 0
        _brain()
        for requirements in sorted(ROOT.glob("z4j_agents/*/requirements.txt")):
            _engine(requirements.parent)
        if options.system:
            system_parts()
    return 0


def _uv() -> None:
    requirements = ROOT / "requirements" / "uv.txt"
    venv = UV.parent.parent
    with _stamped(venv, [requirements]) as stale:
        if stale:
            _venv(venv)
            _run(venv / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check",
                 "--require-hashes", "-r", requirements)  # fmt: skip


def _brain() -> None:
    """The brain and every agent package without a library of its own live together."""
    folders = [toml.parent for toml in _projects() if not (toml.parent / "requirements.txt").exists()]
    _environment(ROOT / ".venv", ROOT / "requirements" / "dev.txt", [ROOT, *folders])


def _engine(folder: Path) -> None:
    siblings = [path for path in _with_siblings(folder) if (path / "pyproject.toml").exists()]
    _environment(ROOT / f".venv-{folder.name}", folder / "requirements.txt", siblings)


def _environment(venv: Path, requirements: Path, editable: list[Path]) -> None:
    with _stamped(venv, [requirements, *(path / "pyproject.toml" for path in editable)]) as stale:
        if not stale:
            return
        print(f"set up {venv.name}", flush=True)
        _venv(venv)
        python = venv / "bin" / "python"
        # Compiled now, once: where bytecode may not be written later, each start would compile every library anew.
        _run(UV, "pip", "install", "-q", "--compile-bytecode", "--python", python, "--require-hashes",
             "-r", requirements)  # fmt: skip
        paths = [part for path in editable for part in ("-e", path)]
        if paths:
            _run(UV, "pip", "install", "-q", "--python", python, "--no-deps", "--no-build-isolation", *paths)


def _projects() -> list[Path]:
    return sorted(ROOT.glob("z4j_agents/*/pyproject.toml"))


def _with_siblings(folder: Path) -> list[Path]:
    """The folder and every package of this tree that it needs, for itself or (group `test`) for its tests."""
    tree = {toml.parent.name: toml for toml in _projects()}
    found: dict[str, Path] = {}
    waiting = [folder.name]
    while waiting:
        name = waiting.pop()
        if name in found or name not in tree:
            continue
        found[name] = tree[name].parent
        waiting += _needs(tomllib.loads(tree[name].read_text()))
    return [found[name] for name in sorted(found)]


def _needs(project: dict[str, dict[str, list[str]]]) -> Iterator[str]:
    wanted = [
        *project.get("project", {}).get("dependencies", []),
        *project.get("dependency-groups", {}).get("test", []),
    ]
    for requirement in wanted:
        match = re.match(r"[A-Za-z0-9._-]+", requirement)
        if match:
            yield match[0].lower().replace("_", "-")


def _venv(path: Path) -> None:
    if (path / "bin" / "python").exists() and _alive(path / "bin" / "python"):
        return
    command = [sys.executable, "-m", "venv", "--clear", str(path)]
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
        _install(["python3-venv"])
        _run(*command)


def _alive(python: Path) -> bool:
    return subprocess.run([python, "-c", ""], capture_output=True).returncode == 0


# ── System parts ─────────────────────────────────────────────────────────────────────────────────────────────────────


def missing_parts() -> list[str]:
    """Debian packages that tests need and this machine lacks, from requirements/system.txt and each engine's own."""
    lists = [ROOT / "requirements" / "system.txt", *sorted(ROOT.glob("z4j_agents/*/system.txt"))]
    missing: dict[str, None] = {}
    for path in lists:
        for line in path.read_text().splitlines() if path.exists() else []:
            words = line.partition("#")[0].split()
            if words and not _found(words[-1]):
                missing[words[0]] = None
    return list(missing)


def _found(program: str) -> bool:
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/lib/rabbitmq/bin") is not None


def system_parts() -> None:
    """Install what is missing when we may; otherwise print the one line that does it."""
    missing = missing_parts()
    if missing:
        _install(missing)


def _install(packages: list[str]) -> None:
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    line = " ".join([*sudo, "apt-get", "install", "-y", "--no-install-recommends", *packages])
    if not shutil.which("apt-get") or not (os.geteuid() == 0 or CI):
        print(f"Missing on this machine; tests that need it are reported as not run. To install it:\n  {line}")
        return
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([*sudo, "apt-get", "update", "-qq"], env=environment, stdout=subprocess.DEVNULL)
    subprocess.run(line.split(), env=environment, stdout=subprocess.DEVNULL)


# ── Stamps ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _stamped(venv: Path, inputs: Iterable[Path]) -> Iterator[bool]:
    """Say whether the environment is older than its inputs; when the block ends well, it no longer is."""
    digest = hashlib.sha256(f"{sys.version}\n{venv}\n".encode())
    for path in [Path(__file__), *inputs]:
        digest.update(f"{path}\n".encode() + path.read_bytes())
    stamp = venv / ".stamp"
    stale = not stamp.exists() or stamp.read_text() != digest.hexdigest()
    yield stale
    if stale:
        stamp.write_text(digest.hexdigest())


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two makes at once must not build the same environment: the second waits and finds it done."""
    WORK.mkdir(exist_ok=True)
    with (WORK / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _lock() -> None:
    """Newest releases for Python 3.11, each with its hashes."""
    for source in [*sorted(ROOT.glob("requirements/*.in")), *sorted(ROOT.glob("z4j_agents/*/requirements.in"))]:
        name = str(source.relative_to(ROOT))
        _run(UV, "pip", "compile", "-q", "--upgrade", "--generate-hashes", "--no-header", "--python-version", "3.11",
             name, "-o", name.replace(".in", ".txt"))  # fmt: skip
        print(f"locked {name}")


def _run(*command: str | Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    if subprocess.run([str(part) for part in command], cwd=ROOT, env=environment).returncode:
        raise SystemExit("set-up stopped at: " + " ".join(str(part) for part in command))


if __name__ == "__main__":
    raise SystemExit(main())

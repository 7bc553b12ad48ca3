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
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tree import interpreter

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".z4j"
#: What the newest and the oldest releases are chosen for.
PYTHON = "3.11"
UV = WORK / "uv" / "bin" / "uv"
CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brain", action="store_true", help="only what the brain needs, no engine")
    parser.add_argument("--system", action="store_true", help="also the system parts that tests need")
    parser.add_argument("--site", action="store_true", help="also what builds the site of the documents")
    parser.add_argument(
        "--lock", nargs="*", metavar="PACKAGE", help="write requirements anew, with hashes; all or some"
    )
    options = parser.parse_args()
    with _one_at_a_time():
        _uv()
        if options.lock is not None:
            _lock(options.lock)
            return 0
        _brain()
        if options.brain:
            return 0
        for requirements in sorted(ROOT.glob("z4j_agents/*/requirements.txt")):
            _engine(requirements.parent)
        if options.site or options.system:
            _environment(ROOT / ".venv-docs", ROOT / "requirements" / "docs.txt", [])
        if options.system:
            for requirements in sorted(ROOT.glob("z4j_agents/*/requirements-*.txt")):
                _engine(requirements.parent, requirements.stem.removeprefix("requirements-"))
            system_parts()
    return 0


def _uv() -> None:
    requirements = ROOT / "requirements" / "uv.txt"
    venv = UV.parent.parent
    with _stamped(venv, [requirements]) as stale:
        if stale:
            _venv_with_pip(venv)
            _run(venv / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check",
                 "--require-hashes", "-r", requirements)  # fmt: skip


def _brain() -> None:
    """The brain and every agent package without a library of its own live together."""
    folders = [toml.parent for toml in _projects() if not (toml.parent / "requirements.txt").exists()]
    _environment(ROOT / ".venv", ROOT / "requirements" / "dev.txt", [ROOT, *folders])


def _engine(folder: Path, variant: str = "") -> None:
    siblings = [path for path in _with_siblings(folder) if (path / "pyproject.toml").exists()]
    suffix = f"-{variant}" if variant else ""
    python = interpreter(variant)
    if python is None:
        print(f"No {variant} on this machine: {folder.name} is not tried with it.", flush=True)
        return
    venv, requirements = ROOT / f".venv-{folder.name}{suffix}", folder / f"requirements{suffix}.txt"
    _environment(venv, requirements, siblings, python)


def _environment(venv: Path, requirements: Path, editable: list[Path], interpreter: str = sys.executable) -> None:
    with _stamped(venv, [requirements, *(path / "pyproject.toml" for path in editable)]) as stale:
        if not stale:
            return
        print(f"set up {venv.name}", flush=True)
        _venv(venv, interpreter)
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
    """The folder and every package of this tree that it needs, for itself or (group `test`) for its tests, and the
    adapter of each engine that its environment has.
    """
    tree = {toml.parent.name: toml for toml in _projects()}
    found: dict[str, Path] = {}
    waiting = [folder.name, *_adapters(folder)]
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
        yield _name(requirement)


def _adapters(folder: Path) -> Iterator[str]:
    """Of the engines among its requirements: who tests with an engine does not have to name its adapter as well."""
    source = folder / "requirements.in"
    has = {_name(line).replace("-", "") for line in (source.read_text() if source.exists() else "").splitlines()}
    for toml in _projects():
        project = tomllib.loads(toml.read_text()).get("project", {})
        if has.intersection(project.get("entry-points", {}).get("z4j.engines", {})):
            yield toml.parent.name


def _venv(path: Path, interpreter: str = sys.executable) -> None:
    """Without pip, which takes longer to get than all the rest: uv installs from outside."""
    if not _alive(path):
        _run(UV, "venv", "-q", "--clear", "--no-python-downloads", "--python", interpreter, path)


def _venv_with_pip(path: Path) -> None:
    """The first one, which gets us uv."""
    if _alive(path):
        return
    command = [sys.executable, "-m", "venv", "--clear", str(path)]
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
        _install(["python3-venv"])
        _run(*command)


def _alive(venv: Path) -> bool:
    python = venv / "bin" / "python"
    return python.exists() and subprocess.run([python, "-c", ""], capture_output=True).returncode == 0


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


def _lock(names: list[str]) -> None:
    """Pins with hashes: newest releases within each package's own bounds, and the oldest of its engine."""
    for source in sorted(ROOT.glob("requirements/*.in")):
        if not names:
            _compile(source, source.with_suffix(".txt"))
    for source in sorted(ROOT.glob("z4j_agents/*/requirements*.in")):
        if names and source.parent.name not in names:
            continue
        variant = source.stem.removeprefix("requirements-")
        version = variant.removeprefix("python") if variant.startswith("python") else PYTHON
        with _constraints(_bounds(source.parent)) as bounds:
            _compile(source, source.with_suffix(".txt"), version, bounds)
        if variant == "requirements" and (oldest := _oldest(source.parent)):
            with _constraints(oldest) as pins:
                _compile(source, source.with_name("requirements-lowest.txt"), PYTHON, pins)


def _compile(source: Path, target: Path, version: str = PYTHON, constraints: Path | None = None) -> None:
    bound: list[str | Path] = ["--constraint", constraints] if constraints else []
    _run(UV, "pip", "compile", "-q", "--upgrade", "--generate-hashes", "--no-header", "--no-annotate",
         "--python-version", version, *bound, source.relative_to(ROOT), "-o", target.relative_to(ROOT))  # fmt: skip
    print(f"locked {target.relative_to(ROOT)}")


def _bounds(folder: Path) -> list[str]:
    """What a package needs beside its siblings, with the bounds that stand in its pyproject.toml and nowhere else."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return [line for line in project.get("dependencies", []) if not line.startswith("z4j-")]


def _oldest(folder: Path) -> list[str]:
    """The oldest release of each of these that its bounds allow, as pins; of what has no bound below, none."""
    bounds = [line for line in _bounds(folder) if ">=" in line]
    with _constraints(bounds) as asked:
        command = [UV, "pip", "compile", "-q", "--resolution", "lowest-direct", "--no-header", "--no-annotate",
                   "--python-version", PYTHON, asked]  # fmt: skip
        found = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True)
    if found.returncode:
        raise SystemExit(f"set-up stopped at the oldest releases for {folder.name}:\n{found.stderr}")
    wanted = {_name(line) for line in bounds}
    return [line for line in found.stdout.splitlines() if _name(line) in wanted]


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return found[0].lower().replace("_", "-") if found else ""


@contextmanager
def _constraints(lines: list[str]) -> Iterator[Path]:
    """A file of constraints, which know no extras."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(re.sub(r"\[.*?\]", "", line) + "\n" for line in lines))
        file.flush()
        yield Path(file.name)


def _run(*command: str | Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    if subprocess.run([str(part) for part in command], cwd=ROOT, env=environment).returncode:
        raise SystemExit("set-up stopped at: " + " ".join(str(part) for part in command))


if __name__ == "__main__":
    raise SystemExit(main())

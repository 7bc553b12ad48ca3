"""Runs every benchmark and gathers what they measured in .z4j/bench.json.

A benchmark is a script bench_<what>.py: it prints for people, and its last line is one JSON object {name: number}.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tree import BRAIN, ROOT, WORK, packages, stop_on_sigterm


def scripts(root: Path) -> Iterator[tuple[str, Path, Path]]:
    """Every benchmark: its name, the python of its environment and its file."""
    for path in sorted(root.glob("tests/bench/bench_*.py")):
        yield path.stem.removeprefix("bench_"), BRAIN, path
    for package in packages(root):
        for path in sorted(package.tests.glob("bench_*.py")):
            yield f"{package.name}/{path.stem.removeprefix('bench_')}", package.python, path


def main() -> int:
    stop_on_sigterm()
    measured: dict[str, Any] = {}
    failed = []
    for name, python, path in scripts(ROOT):
        print(f"\n── {name} " + "─" * max(0, 80 - len(name)), flush=True)
        found = run(python, path)
        if found is None:
            failed.append(name)
        else:
            measured[name] = found
    machine = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "at": time.strftime("%FT%TZ", time.gmtime()),
    }
    WORK.mkdir(exist_ok=True)
    (WORK / "bench.json").write_text(json.dumps({"machine": machine, "results": measured}, indent=2) + "\n")
    print(f"\n{len(measured)} benchmarks in .z4j/bench.json" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


def run(python: Path, path: Path) -> dict[str, Any] | None:
    """What the script measured; None when it failed or measured nothing."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    last = ""
    with subprocess.Popen([python, path], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            last = line.strip() or last
    try:
        found = json.loads(last)
    except ValueError:
        return None
    return found if process.returncode == 0 and isinstance(found, dict) else None


if __name__ == "__main__":
    sys.exit(main())

"""Runs every benchmark; writes what they measured to .z4j/bench.json and docs/reference/performance.md.

With names, only these are run, and their figures take the place of those of the last whole run.

A benchmark is a script bench_<what>.py: it prints for people, and its last line is a JSON list of the rows of
`tests.bench.rows`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tree import BRAIN, ROOT, WORK, packages, stop_on_sigterm

FOUND = WORK / "bench.json"
#: A task with its indexes, its text and what the stores write beside it, generously.
BYTES_A_TASK = 3_000
PAGE = ROOT / "docs" / "reference" / "performance.md"
HEAD = """<!-- Written by `make bench`. -->

# Performance

Measured with `make bench` on {machine}; {at}. The limit of a row is what the same run measured beside it, or a number
that was set beforehand; the ratio is measured / limit. Rows without a target are there for contrast. How the store is
laid out, and what each index costs, is in [store.md](store.md).
"""


def scripts(root: Path) -> Iterator[tuple[str, Path, Path]]:
    """Every benchmark: its name, the python of its environment and its file."""
    for path in sorted(root.glob("tests/bench/bench_*.py")):
        yield path.stem.removeprefix("bench_"), BRAIN, path
    for package in packages(root):
        for path in sorted(package.tests.glob("bench_*.py")):
            yield f"{package.name}/{path.stem.removeprefix('bench_')}", package.python, path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="names of benchmarks, all when left out")
    only = parser.parse_args().only
    stop_on_sigterm()
    if lacking := lacks_room():
        print(lacking)
        return 1
    began = time.monotonic()
    rows: list[dict[str, Any]] = []
    failed = []
    for name, python, path in scripts(ROOT):
        if only and name not in only:
            continue
        print(f"\n── {name} " + "─" * max(0, 80 - len(name)), flush=True)
        found = run(python, path)
        if found is None:
            failed.append(name)
        else:
            rows += found
    WORK.mkdir(exist_ok=True)
    told = merged(rows) if only else rows
    FOUND.write_text(json.dumps(told, indent=2) + "\n")
    if not failed:
        PAGE.write_text(page(told))
    print(summary(rows, time.monotonic() - began) + (f"; failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


def merged(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the last run with these in the place of those of the same name, or behind them."""
    before = {row["name"]: row for row in json.loads(FOUND.read_text())} if FOUND.exists() else {}
    return list((before | {row["name"]: row for row in rows}).values())


def lacks_room() -> str:
    """Why so many tasks cannot be stored here; empty when they can."""
    tasks = int(os.environ.get("BENCH_TASKS", "2000000"))
    free, needed = shutil.disk_usage(tempfile.gettempdir()).free, tasks * BYTES_A_TASK
    if free >= needed:
        return ""
    place = tempfile.gettempdir()
    return f"{tasks:,} tasks need {needed / 2**30:.0f} GiB in {place}, and {free / 2**30:.0f} GiB are free."


def run(python: Path, path: Path) -> list[dict[str, Any]] | None:
    """What the script measured; None when it failed or measured nothing."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    last = ""
    with subprocess.Popen([python, path], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            if last:
                print(last, flush=True)
            last = line.rstrip()
    try:
        found = json.loads(last)
    except ValueError:
        print(last)
        return None
    return found if process.returncode == 0 and isinstance(found, list) else None


def summary(rows: list[dict[str, Any]], seconds: float) -> str:
    wanted = [row for row in rows if row["met"] is not None]
    missed = [row["name"] for row in wanted if not row["met"]]
    text = f"\n{len(rows)} rows after {seconds:.0f} s"
    text += f"; {len(wanted) - len(missed)} of {len(wanted)} targets met"
    return text + "".join(f"\n  not met: {name}" for name in missed)


def page(rows: list[dict[str, Any]]) -> str:
    lines = [HEAD.format(machine=machine(), at=time.strftime("%F", time.gmtime())).rstrip(), ""]
    lines += ["| what | measured | limit | ratio | target | met |", "| --- | ---: | ---: | ---: | --- | --- |"]
    for row in rows:
        limit = "" if row["limit"] is None else f"{row['limit']:,g}" if row["limit"] < 1000 else f"{row['limit']:,}"
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        value = f"{row['value']:,g}" if row["value"] < 1000 else f"{row['value']:,}"
        met = {True: "yes", False: "**no**", None: ""}[row["met"]]
        lines.append(f"| {row['name']} | {value} {row['unit']} | {limit} | {ratio} | {row['target'] or ''} | {met} |")
    return "\n".join(lines) + "\n"


def machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}, {platform.system()}"


if __name__ == "__main__":
    sys.exit(main())

"""What a benchmark says: one row per figure, beside the limit measured in the same run or set beforehand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TypedDict


class Row(TypedDict):
    """`ratio` is value / limit. `met` is null where there is no target: a row for contrast."""

    name: str
    value: float
    unit: str
    limit: float | None
    ratio: float | None
    target: str | None
    met: bool | None


def at_least(name: str, value: float, unit: str, share: float, limit: float) -> Row:
    """The more the better: at least `share` of a limit measured in the same run."""
    ratio = value / limit
    return _row(name, value, unit, limit, ratio, f">= {share:g} x limit", ratio >= share)


def reaching(name: str, value: float, unit: str, least: float) -> Row:
    """The more the better: at least a fixed number."""
    return _row(name, value, unit, least, value / least, f">= {least:,g} {unit}", value >= least)


def at_most(name: str, value: float, unit: str, most: float) -> Row:
    """The less the better: at most a fixed number."""
    return _row(name, value, unit, most, value / most, f"<= {most:,g} {unit}", value <= most)


def within(name: str, value: float, unit: str, share: float, limit: float) -> Row:
    """The less the better: at most `share` of what was measured in the same run."""
    ratio = value / limit
    return _row(name, value, unit, limit, ratio, f"<= {share:g} x limit", ratio <= share)


def shown(name: str, value: float, unit: str, limit: float | None = None) -> Row:
    """A figure for contrast, without a target."""
    return _row(name, value, unit, limit, value / limit if limit else None, None, None)


def tell(rows: list[Row]) -> None:
    """Print the rows for people, and as the last line for `tools/bench.py`."""
    for row in rows:
        print(line(row), flush=True)
    print(json.dumps(rows))


def of_both_stores(script: str) -> list[Row]:
    """What a script measures on each store, in a process of its own each, since settings are read once.

    The script looks at Z4J_TEST_STORE; its last line is a JSON list of rows.
    """
    told: list[Row] = []
    for kind in ("sqlite", "postgres"):
        environment = os.environ | {"Z4J_TEST_STORE": kind}
        command = [sys.executable, script]
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        told += json.loads(output.stdout.splitlines()[-1])
    return told


def line(row: Row) -> str:
    verdict = {None: "", True: "met", False: "NOT MET"}[row["met"]]
    ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
    figure = f"{row['name']:<58} {row['value']:>12,} {row['unit']:<10} {ratio:>6}"
    return f"{figure}  {row['target'] or '':<22} {verdict}".rstrip()


def _row(
    name: str, value: float, unit: str, limit: float | None, ratio: float | None, target: str | None, met: bool | None
) -> Row:
    return Row(
        name=name,
        value=_brief(value),
        unit=unit,
        limit=None if limit is None else _brief(limit),
        ratio=None if ratio is None else round(ratio, 3),
        target=target,
        met=met,
    )


def _brief(value: float) -> float:
    return round(value) if abs(value) >= 1000 else float(f"{value:.4g}")

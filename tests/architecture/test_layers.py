"""The layers hold, and each contract bites on a copy of the tree with one bad import."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.rule import ROOT

SEEDS = [
    ("Apps import downwards only", "ledger/seed.py", "from z4j_brain.tasks import models"),
    ("Apps import downwards only", "agents/seed.py", "def hidden():\n    from z4j_brain.operations import models"),
    ("Apps import downwards only", "gateway/seed.py", "from z4j_brain.panel import context"),
    ("Apps import downwards only", "billing/__init__.py", ""),
    ("Apps import downwards only", "remote/seed.py", "from z4j_brain.lib import problem"),
    ("Apps never import the files that put them together", "lib/seed.py", "from z4j_brain import urls"),
    ("Actions and ingest never import a door", "tasks/ingest.py", "from z4j_brain.tasks import pages"),
    ("Queries never import who writes", "tasks/queries.py", "from z4j_brain.rbac import actions"),
    ("Queries never import who writes", "fleet/queries.py", "from z4j_brain.fleet import pages"),
    ("Models import models and states", "tasks/models.py", "from z4j_brain.rbac import queries"),
    ("States import nothing of ours", "tasks/states.py", "from z4j_brain.rbac import models"),
    ("No cycles among the files", "lib/seed.py", "from z4j_brain.lib import ids\nids  # and ids imports seed"),
]


def test_the_layers_hold():
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(("contract", "path", "text"), SEEDS, ids=[f"{seed[0]} {seed[1]}" for seed in SEEDS])
def test_the_contract_reports_what_breaks_it(contract, path, text, tmp_path):
    brain = tmp_path / "z4j_brain"
    shutil.copytree(ROOT / "z4j_brain", brain, ignore=shutil.ignore_patterns("__pycache__", "migrations"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    for app in ("tasks", "fleet", "rbac"):
        for kind in ("pages", "actions"):
            (brain / app / f"{kind}.py").touch()
    append(brain / path, text)
    if contract.startswith("No cycles"):
        append(brain / "lib/ids.py", "from z4j_brain.lib import seed")

    result = lint(tmp_path)

    broken = [line for line in result.stdout.splitlines() if line.endswith("BROKEN")]
    assert result.returncode == 1 and any(line.startswith(contract) for line in broken), result.stdout + result.stderr


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


def append(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(f"\n{text}\n")

"""What each index of tasks and events costs: the share of the time to store a batch that is saved without it.

One connection in this process, rows made beforehand, as `bench_ingest` measures the store alone; with and without the
index in turn, so that what else the machine does weighs on both.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
os.environ.setdefault("BENCH_BATCHES", "8")

import django  # noqa: E402

if __name__ == "__main__":
    django.setup()

from django.db import connection, connections  # noqa: E402

from tests.bench import bench_ingest, rows  # noqa: E402
from tests.store import open_store  # noqa: E402
from z4j_brain.tasks.models import Event, Task  # noqa: E402

TURNS = 3
MODELS = (Task, Event)


def measure(kind: str) -> list[rows.Row]:
    turn, told = 0, []
    for model in MODELS:
        for index in model._meta.indexes:
            shares = []
            for _ in range(TURNS):
                kept = bench_ingest.into_the_store(turn)
                with connection.schema_editor() as editor:
                    editor.remove_index(model, index)
                shares.append(1 - kept / bench_ingest.into_the_store(turn + 1))
                with connection.schema_editor() as editor:
                    editor.add_index(model, index)
                turn += 2
            share = statistics.median(shares) * 100
            told.append(rows.shown(f"index {index.name}, {kind}: of the time to store a batch", share, "%"))
    return told


def main() -> None:
    """Each store in a process of its own: settings are read once."""
    told: list[rows.Row] = []
    for kind in ("sqlite", "postgres"):
        environment = os.environ | {"Z4J_TEST_STORE": kind}
        command = [sys.executable, __file__]
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        told += json.loads(output.stdout.splitlines()[-1])
    rows.tell(told)


if __name__ == "__main__":
    if chosen := os.environ.get("Z4J_TEST_STORE"):
        with tempfile.TemporaryDirectory(prefix="z4j-bench-") as place:
            store = open_store(Path(place) / "store")
            store.clone("alone", cast=True)
            bench_ingest.use(store.django("alone"))
            print(json.dumps(measure({"sqlite": "SQLite"}.get(chosen, "PostgreSQL"))))
            connections.close_all()
            store.close()
    else:
        main()

"""Makes the fixtures of the upgrade test from the tree that it runs in: "the state before" is that tree.

    git worktree add /tmp/before <the state>
    cd /tmp/before                     # cp -r <new tree>/tests/upgrade tests/ where it has none yet
    export PYTHONPATH=.:z4j_agents/z4j-core/src
    <new tree>/.venv/bin/python -m tests.upgrade.make <new tree>/tests/upgrade

For each store it starts a brain, fills it, reads it back, stops it, and writes `before.<store>.xz` (the database) and
`before.<store>.json.xz` (what must be read back).
"""

from __future__ import annotations

import json
import lzma
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from tests import wire as sent  # noqa: E402
from tests.brain import Brain  # noqa: E402
from tests.store import PostgresStore, SQLiteStore, Store  # noqa: E402
from tests.upgrade import installation, readback  # noqa: E402

STORES = {"sqlite": SQLiteStore, "postgres": PostgresStore}


def main(target: Path) -> None:
    for kind, store_class in STORES.items():
        with tempfile.TemporaryDirectory(prefix="z4j-before-") as name:
            folder = Path(name)
            (folder / "store").mkdir()
            store = store_class(folder / "store")
            try:
                told, database = _made(store, folder)
            finally:
                store.close()
        _write(target / f"before.{kind}.xz", database)
        _write(target / f"before.{kind}.json.xz", json.dumps(told, ensure_ascii=False, sort_keys=True).encode())


def _made(store: Store, folder: Path) -> tuple[dict[str, Any], bytes]:
    brain = Brain(store, folder / "brain")
    brain.start()
    told: dict[str, Any] = {"filled": installation.fill(brain), "cast": brain.cast}
    told |= {"api": readback.read(brain), "made_at": sent.now(), "ledger": readback.ledger(brain)}
    brain.stop()
    database = _postgres(store, brain) if isinstance(store, PostgresStore) else _sqlite(folder)
    brain.close()
    return told, database


def _sqlite(folder: Path) -> bytes:
    copy = folder / "copy.sqlite3"
    with sqlite3.connect(folder / "brain" / "z4j.sqlite3") as connection:
        connection.execute("VACUUM INTO ?", [str(copy)])
    return copy.read_bytes()


def _postgres(store: PostgresStore, brain: Brain) -> bytes:
    """What pg_dump says, without what only psql understands."""
    program = store.server.bin_path / "pg_dump"
    command = [str(program), "--no-owner", "--no-privileges", f"--dbname={store.server.get_uri(brain.name)}"]
    dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    meant = [line for line in dump.splitlines(True) if not line.startswith(("\\restrict", "\\unrestrict"))]
    return "".join(meant).encode()


def _write(path: Path, content: bytes) -> None:
    packed = lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)
    path.write_bytes(packed)
    sys.stdout.write(f"{path.name}: {len(content):,} bytes, packed {len(packed):,}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())

"""What recording costs: entries that are sealed in batches, beside a chain in which each waits for the one before.

Eight processes on PostgreSQL. A transaction appends one entry and has other work for 5 ms, as an action has. The chain
is what many audit logs are: its one lock is held from the append to the commit. Seal lag is the time from an entry to
the checkpoint that has it. BENCH_LEDGER_SECONDS (8) is how long each is measured.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django  # noqa: E402

if __name__ == "__main__":
    django.setup()

import psycopg  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from z4j_core import merkle  # noqa: E402

from tests.bench import rows  # noqa: E402
from tests.ledger.log import append  # noqa: E402
from tests.store import ROOT, PostgresStore  # noqa: E402
from z4j_brain.ledger import sealing  # noqa: E402
from z4j_brain.ledger.signer import Signer  # noqa: E402

PROCESSES = 8
WORK = 0.005
SECONDS = float(os.environ.get("BENCH_LEDGER_SECONDS", "8"))
BATCH = 0.25
MILLION = 1_000_000
LAGS = """
SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM c.ts - e.ts))
FROM ledger_leaf l JOIN ledger_entry e ON e.id = l.entry_id
CROSS JOIN LATERAL (SELECT ts FROM ledger_checkpoint c WHERE c.size > l.idx ORDER BY c.size LIMIT 1) c
"""


def chains() -> None:
    """An entry names the hash of the one before, which nobody else may change until this has committed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(7)")
        cursor.execute("SELECT leaf_hash FROM ledger_entry ORDER BY id DESC LIMIT 1")
        before = cursor.fetchone()
    append(facts={"before": hashlib.sha256(bytes(before[0]) if before else b"").hexdigest()})


def works(kind: str) -> None:
    connection.ensure_connection()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    until = float(sys.stdin.readline())
    while time.time() < until:
        with transaction.atomic():
            if kind == "chain":
                chains()
            else:
                append()
            time.sleep(WORK)


def seals() -> None:
    signer = Signer()
    signer.hold()
    sealing.seal(signer)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        sealing.seal(signer)
        time.sleep(BATCH)


def run(store: PostgresStore, folder: Path, kind: str) -> tuple[float, list[float]]:
    """Entries a second, and the seal lag at the 50th and the 99th percentile where there is one."""
    url = store.clone(kind)
    told = {"Z4J_DATABASE_URL": url, "Z4J_DATA_DIR": str(folder / kind), "DJANGO_SETTINGS_MODULE": "z4j_brain.settings"}

    def start(*arguments: str) -> subprocess.Popen[str]:
        command, pipe = [sys.executable, __file__, *arguments], subprocess.PIPE
        return subprocess.Popen(command, cwd=ROOT, env=os.environ | told, stdin=pipe, stdout=pipe, text=True)

    with ExitStack() as stack:
        workers = [stack.enter_context(start("work", kind)) for _ in range(PROCESSES)]
        sealer = stack.enter_context(start("seal")) if kind == "batch" else None
        for worker in [*workers, sealer] if sealer else workers:
            assert worker.stdout and worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin
            worker.stdin.write(f"{time.time() + SECONDS}\n")
            worker.stdin.flush()
        assert [worker.wait() for worker in workers] == [0] * PROCESSES
        with psycopg.connect(url) as database:
            count = database.execute("SELECT count(*) FROM ledger_entry").fetchone()
            if sealer is None:
                return count[0] / SECONDS, []  # type: ignore[index]
            while database.execute("SELECT EXISTS (SELECT FROM ledger_unsealed)").fetchone() != (False,):
                time.sleep(0.05)
                database.rollback()
            sealer.kill()
            lags = database.execute(LAGS).fetchone()
    return count[0] / SECONDS, list(lags[0])  # type: ignore[index]


def main() -> list[rows.Row]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        (Path(folder) / "store").mkdir()
        store = PostgresStore(Path(folder) / "store")
        try:
            chain, _ = run(store, Path(folder), "chain")
            batch, (median, most) = run(store, Path(folder), "batch")
        finally:
            store.close()
    proof = max(len(merkle.inclusion(index, MILLION, _any)) for index in (0, MILLION // 2, MILLION - 1))
    path = max(len(merkle.consistency(old, MILLION, _any)) for old in (1, MILLION // 3, MILLION - 1))
    return [
        rows.shown("postgres, entries in a chain under one lock", chain, "/s"),
        rows.at_least("postgres, entries sealed in batches", batch, "/s", 5, chain),
        rows.shown("postgres, seal lag, p50", median * 1000, "ms"),
        rows.at_most("postgres, seal lag, p99", most * 1000, "ms", 1000),
        rows.at_most("proof of one entry among a million", proof * 32, "bytes", 1024),
        rows.at_most("proof that a million entries begin with fewer", path * 32, "bytes", 2048),
    ]


def _any(level: int, index: int) -> bytes:
    return merkle.EMPTY


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        works(sys.argv[2])
    elif sys.argv[1:] == ["seal"]:
        seals()
    else:
        rows.tell(main())

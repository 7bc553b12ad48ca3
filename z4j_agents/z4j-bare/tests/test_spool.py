"""The spool: nothing that was written is lost, nothing leaves it uncounted."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from z4j_bare import batch
from z4j_bare.spool import Spool

BOOT = "0f7c0b1e-0000-4000-8000-000000000001"

WRITER = """
import os, sys
from pathlib import Path
from z4j_bare import batch
from z4j_bare.spool import Spool
spool = Spool(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(os.environ["SPOOL"]), "boot", cap=64 << 20)
number = 0
while True:
    rows = [batch.row({"kind": "task.started", "ts": 1, "task_id": f"{os.getpid()}-{number + i}"}) for i in range(7)]
    spool.append(rows, {})
    number += 7
    print(number, flush=True)
"""


def rows(count: int, kind: str = "task.started", size: int = 100) -> list[batch.Row]:
    return [batch.row({"kind": kind, "ts": 1, "task_id": str(i), "args": "x" * size}) for i in range(count)]


def balance(spool: Spool) -> int:
    """What conservation says must be zero."""
    found = spool.counters()
    gone = found["accepted"] + found["duplicate"] + found["rejected"] + sum(found["dropped"].values())
    return found["created"] - gone - found["spooled"]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path / "spool.db", BOOT, cap=64 << 20)
    spool.introduce({"name": "w", "host": "h", "pid": 1, "role": "worker"})
    return spool


def test_what_was_written_survives_kill_9_at_any_moment(program, tmp_path):
    path = tmp_path / "spool.db"
    written = {}
    for _ in range(8):
        process = program(WRITER, SPOOL=str(path))
        process.stdout.readline()
        time.sleep(random.uniform(0, 0.15))
        process.kill()
        lines = process.stdout.read().split()
        written[process.pid] = int(lines[-1]) if lines else 7
    spool = Spool(path, BOOT, cap=64 << 20)
    assert balance(spool) == 0
    found = spool.file.read(lambda db: [body for (body,) in db.execute("SELECT body FROM event")])
    for pid, number in written.items():
        of_this = {body for body in found if b'"%d-' % pid in body}
        assert len(of_this) >= number
        assert len(of_this) % 7 == 0, "half a transaction was kept"


def test_processes_share_a_spool_and_no_two_events_have_the_same_number(program, tmp_path):
    path = tmp_path / "spool.db"
    processes = [program(WRITER, SPOOL=str(path)) for _ in range(3)]
    for process in processes:
        for _ in range(20):
            assert process.stdout.readline()
    for process in processes:
        process.kill()
    spool = Spool(path, BOOT, cap=64 << 20)
    count, distinct = spool.file.read(
        lambda db: db.execute("SELECT count(*), count(DISTINCT body) FROM event").fetchone()
    )
    assert count == distinct >= 3 * 20 * 7
    assert balance(spool) == 0


def test_a_batch_keeps_its_bytes_until_it_is_answered(spool):
    spool.append(rows(3), {})
    first = spool.freeze()
    spool.tried(first.first)
    spool.append(rows(5), {})
    again = spool.freeze()
    assert (again.body, again.seqs, again.tries) == (first.body, (1, 2, 3), 1)
    spool.settle(again, [2], {3: "too_deep"})
    assert spool.counters() | {"dropped": {}} == {
        "created": 8, "accepted": 1, "duplicate": 1, "rejected": 1, "spooled": 5, "dropped": {},
    }  # fmt: skip
    assert spool.freeze().seqs == (4, 5, 6, 7, 8)


def test_an_answer_that_arrives_twice_is_counted_once(spool):
    spool.append(rows(3), {})
    frozen = spool.freeze()
    spool.settle(frozen, (), {})
    spool.settle(frozen, (), {})
    assert spool.counters()["accepted"] == 3
    assert balance(spool) == 0


def test_a_batch_fits_the_wire_whatever_is_in_it(spool):
    noise = random.Random(1)
    heavy = [
        batch.row({"kind": "task.failed", "ts": 1, "args": "".join(chr(noise.randrange(33, 999)) for _ in range(9000))})
        for _ in range(300)
    ]
    spool.append(heavy, {})
    sent = 0
    while (frozen := spool.freeze()) is not None:
        assert len(frozen.body) <= 1024 * 1024
        sent += len(frozen.seqs)
        spool.settle(frozen, (), {})
    assert sent == 300


def test_an_event_that_is_too_large_loses_its_traceback_first():
    event = {"kind": "task.failed", "ts": 1, "args": "a" * 4000, "result": "r" * 4000,
             "error": {"type": "E", "message": "m", "traceback": "t" * 30000}}  # fmt: skip
    assert b'"truncated":["error.traceback"]' in batch.encode(event)
    assert b"a" * 4000 in batch.encode(event)
    with pytest.raises(batch.Unfit, match="too_large"):
        batch.encode({"kind": "x", "ts": 1, "name": "n" * 40000})
    with pytest.raises(batch.Unfit, match="invalid"):
        batch.encode({"kind": "x", "ts": 1, "runtime_ms": float("nan")})
    assert batch.encode({"kind": "x", "args": "\ud800"}) == b'{"kind":"x","args":"?"}'


def test_a_full_spool_drops_progress_first_final_events_last_and_counts_each(tmp_path):
    cap = 1024 * 1024
    spool = Spool(tmp_path / "spool.db", BOOT, cap=cap)
    largest = finals = 0
    kinds = ["task.progress"] * 70 + ["task.started"] * 28 + ["task.succeeded", "task.failed"]
    for start in range(0, 50_000, 500):
        events = [
            batch.row({"kind": kinds[i % 100], "ts": 1, "task_id": str(i), "args": "x" * 60})
            for i in range(start, start + 500)
        ]
        finals += sum(row.weight == batch.FINAL for row in events)
        spool.append(events, {})
        largest = max(largest, spool.file.size())
    assert largest <= cap
    assert balance(spool) == 0
    drops = spool.drops()
    assert drops.keys() == {("task.progress", "full"), ("task.started", "full")}
    kept = spool.file.read(lambda db: db.execute("SELECT count(*) FROM event WHERE weight = ?", (batch.FINAL,)))
    assert kept.fetchone()[0] == finals == 1000
    assert spool.counters()["created"] == 50_000
    assert Spool(tmp_path / "spool.db", BOOT, cap=cap).drops() == drops, "the counts survive a restart"


def test_a_batch_on_its_way_is_never_dropped(tmp_path):
    spool = Spool(tmp_path / "spool.db", BOOT, cap=1024 * 1024)
    spool.append(rows(100, "task.progress"), {})
    frozen = spool.freeze()
    for _ in range(20):
        spool.append(rows(500, "task.failed"), {})
    assert spool.freeze().body == frozen.body
    spool.settle(frozen, (), {})
    assert spool.counters()["accepted"] == 100
    assert balance(spool) == 0


def test_what_is_older_than_a_week_is_dropped_and_counted(spool):
    spool.append(rows(10), {})
    spool.append([batch.row({"kind": "task.failed", "ts": time.time_ns() // 1000})], {})
    spool.expire()
    assert spool.drops() == {("task.started", "age"): 10}
    assert spool.counters()["spooled"] == 1
    assert balance(spool) == 0


def test_a_spool_that_cannot_be_read_is_set_aside_and_a_new_one_begun(tmp_path):
    path = tmp_path / "spool.db"
    path.write_bytes(b"not a database" * 1000)
    spool = Spool(path, BOOT, cap=64 << 20)
    with pytest.raises(Exception, match="spool.db"):
        spool.append(rows(1), {})
    spool.append(rows(1), {})
    assert spool.counters()["spooled"] == 1
    assert list(tmp_path.glob("broken-*"))

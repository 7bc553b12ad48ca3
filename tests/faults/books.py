"""The soak's accounts: what the brain says, held against the ledger, to the last task."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tests import wire as sent
from tests.faults.desk import HERE, Operator, Reader
from tests.faults.page import signed_in, websocket
from tests.faults.workshop import Workshop
from tests.gateway.conftest import Caller, execute
from tests.store import ROOT

#: What a running process of the brain says of a failure that is its own. One whose start failed for want of PostgreSQL
#: was started again, and is counted; `asyncio` tells of tasks that the channel layer's library leaves when Valkey goes.
FAULT = re.compile(
    r" (ERROR|CRITICAL) (?!asyncio |django.request Service Unavailable)|^Exception in |Internal Server Error"
)
ENDED = "('succeeded', 'failed')"
#: MiB that a process of the brain may take, and by how many it may grow once it has run for two minutes.
MOST, GROWTH = 300, 60
Weights = dict[tuple[str, int], list[float]]


def events(shop: Workshop) -> int:
    return int(execute(shop.cluster.brain, "SELECT count(*) FROM tasks_event")[0][0])


def behind(shop: Workshop) -> int:
    """Tasks that have ended, and of which the brain does not know it yet."""
    query = f"SELECT count(*) FROM tasks_task WHERE state IN {ENDED}"
    return shop.ledger.count("done") - int(execute(shop.cluster.brain, query)[0][0])


def spooled(shop: Workshop) -> int:
    """Events that wait at the workers' side."""
    return sum(_rows(path) for host in shop.hosts for path in host.spools())


def _rows(path: Path) -> int:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as file:
        return int(file.execute("SELECT count(*) FROM event").fetchone()[0])


def open_ends(shop: Workshop) -> dict[str, int]:
    """What is not over yet, by what it is."""
    brain = shop.cluster.brain
    fired = "SELECT count(*) FROM schedules_run r LEFT JOIN operations_item i ON i.operation_id = r.operation_id "
    fired += "AND i.target_id = CAST(r.id AS varchar) WHERE r.state = 'pending' AND i.outcome IS NULL"
    left = {
        "tasks to run": shop.ledger.count("NOT done"),
        "tasks behind": behind(shop),
        "events in spools": spooled(shop),
        "operations": execute(brain, "SELECT count(*) FROM operations_operation WHERE finished_at IS NULL")[0][0],
        "firings": execute(brain, fired)[0][0],
        "entries to seal": execute(brain, "SELECT count(*) FROM ledger_unsealed")[0][0],
    }
    return {name: number for name, number in left.items() if number}


def check_tasks(shop: Workshop) -> None:
    """Each is there once, with its end, its attempts and its links, and there are no others."""
    columns = "name, queue, attempt, retry_of, schedule"
    rows = execute(shop.cluster.brain, f"SELECT task_id, state, {columns} FROM tasks_task")
    made = shop.ledger.ask("SELECT id, end, name, queue, attempts, retry_of, schedule FROM task")
    missing, more = set(made) - set(rows), set(rows) - set(made)
    assert (sorted(missing)[:5], sorted(more)[:5]) == ([], [])
    assert len(rows) == len(made)
    assert shop.ledger.ask("SELECT * FROM task WHERE sent <> 1") == []


def check_statistics(shop: Workshop) -> None:
    """The sums over all rollups of a grain are those of the ledger."""
    ledger = shop.ledger
    told = (ledger.count(), ledger.count("end = 'succeeded'"), ledger.count("end = 'failed'"), 0, _tries(shop))
    for table, grain in (
        ("byqueue", 300),
        ("byqueue", 3600),
        ("byqueue", 86_400),
        ("byname", 3600),
        ("byname", 86_400),
    ):
        sums = "sum(arrived), sum(succeeded), sum(failed), sum(lost), sum(retries)"
        found = execute(shop.cluster.brain, f"SELECT {sums} FROM stats_{table} WHERE grain = ?", grain)
        assert [tuple(map(int, row)) for row in found] == [told], (table, grain)


def _tries(shop: Workshop) -> int:
    return int(shop.ledger.ask("SELECT sum(attempts) FROM task")[0][0] or 0)


def check_operations(shop: Workshop, operator: Operator) -> None:
    """Each says of each of its targets what became of it, its sums are theirs, and no target was retried twice."""
    query = "SELECT o.id, o.total, o.settled, o.succeeded, o.failed, count(i.id), count(i.outcome), "
    query += "count(i.id) FILTER (WHERE i.outcome = 'done') FROM operations_operation o "
    query += "JOIN operations_item i ON i.operation_id = o.id WHERE o.action = 'task.retry' GROUP BY o.id"
    rows = execute(shop.cluster.brain, query)
    assert {str(row[0]) for row in rows} == set(operator.operations)
    for pk, total, settled, succeeded, _, items, ended, done in rows:
        assert (total, settled, succeeded) == (items, ended, done) and settled == total, pk
    done = _retried(shop, "i.outcome = 'done'")
    made = dict(shop.ledger.ask("SELECT id, retry_of FROM task WHERE retry_of <> ''"))
    assert {new: made.get(new) for new in done} == done
    assert Counter(made.values()).most_common(1)[0][1] == 1
    # Whatever was made was asked for, also where the answer was lost for good.
    assert set(made.values()) <= set(_retried(shop, "i.left_out = ''").values())


def _retried(shop: Workshop, which: str) -> dict[str, str]:
    """New task and old."""
    query = "SELECT i.new_task_id, t.task_id, i.id FROM operations_item i JOIN operations_operation o "
    query += "ON o.id = i.operation_id JOIN tasks_task t ON CAST(t.id AS varchar) = i.target_id "
    found = execute(shop.cluster.brain, f"{query} WHERE o.action = 'task.retry' AND {which}")
    return {new or f"item {pk}": old for new, old, pk in found}


def check_runs(shop: Workshop, expected: dict[str, list[str]], runs: list[list[Any]]) -> None:
    """Each due time of z4j's own schedules was fired once or is said not to have been, and ended as its task did."""
    fired: dict[str, list[str]] = {key: [] for key in expected}
    for key, due, *_ in runs:
        fired[key].append(due)
    assert all(len(set(dues)) == len(dues) for dues in fired.values())
    assert all(set(expected[key]) <= set(dues) for key, dues in fired.items())
    ends = dict(shop.ledger.ask("SELECT id, end FROM task WHERE schedule <> ''"))
    by_task = {task_id: state for _, _, state, task_id, *_ in runs if task_id}
    assert set(ends) <= set(by_task)
    assert {task: by_task[task] for task in ends} == {
        task: {"succeeded": "ok", "failed": "failed"}[end] for task, end in ends.items()
    }
    assert {state for task, state in by_task.items() if task not in ends} <= {"reported", "unknown"}


def checkpoint(shop: Workshop) -> Path:
    """One that is kept outside from the beginning: of the first entry, that somebody changes a setting."""
    kept, asked = shop.folder / "kept.txt", {"tasks_days": 40, "reason": "soak"}
    assert shop.cluster.request("PATCH", f"{HERE}/settings/", asked, who="olive")[0] == 200
    while not execute(shop.cluster.brain, "SELECT 1 FROM ledger_checkpoint"):
        time.sleep(0.1)
    kept.write_text(_z4j(shop, "audit", "checkpoint"))
    return kept


def check_audit(shop: Workshop, kept: Path) -> None:
    export, key = shop.folder / "log.zip", _z4j(shop, "audit", "key").strip()
    _z4j(shop, "audit", "export", str(export))
    verdict = _z4j(shop, "audit", "verify", str(export), "--key", key, "--checkpoint", str(kept))
    assert verdict.startswith("VERIFIED"), verdict


def _z4j(shop: Workshop, *words: str) -> str:
    command = [sys.executable, "-W", "ignore", "-m", "z4j_brain.cli", *words]
    environment = shop.cluster.brain.environment()
    return subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True, text=True, timeout=300
    ).stdout


def check_pages(shop: Workshop) -> None:
    """At each process the overview opens, and an open page hears of what another process has taken in."""
    doors = [shop.cluster.at(member) for member in shop.cluster.web]
    for door, other in zip(doors, [*doors[1:], doors[0]], strict=True):
        with urlopen(Request(f"{door.url}/harbor/production/", headers={"Cookie": signed_in(door)})) as page:
            assert page.status == 200
        line = websocket(door)
        told = {"seq": 1, "kind": "queue.snapshot", "ts": sent.now(), "engine": "celery", "queue": "queue0"}
        assert Caller(other).post(sent.batch(told | {"data": {"depth": 1}}))[0] == 200
        assert b"queue" in line.recv(2**20)
        line.close()


def check_answers(shop: Workshop, operator: Operator, reader: Reader) -> None:
    """Nobody was told of a failure that is ours, nothing failed unseen, and nothing is left at the workers' side."""
    assert set(reader.statuses) <= {200, 429, 503}
    assert not operator.refusals, operator.refusals
    assert [line for line in shop.cluster.brain.log.splitlines() if FAULT.search(line)] == []
    assert not any("Traceback" in host.log for host in shop.hosts)
    assert spooled(shop) == 0


def check_weights(weights: Weights) -> None:
    """No process of the brain is heavy, and none grows on and on."""
    for (role, pid), seen in weights.items():
        assert max(seen) < MOST, (role, pid, seen)
        assert seen[-1] - seen[min(2, len(seen) - 1)] < GROWTH, (role, pid, seen)


def table(
    shop: Workshop, faults: Counter[str], weights: Weights, operator: Operator, reader: Reader, runs: list[list[Any]]
) -> str:
    ledger, outcomes = shop.ledger, Counter(state for _, _, state, *_ in runs)
    items = "SELECT outcome, count(*) FROM operations_item i JOIN operations_operation o ON o.id = i.operation_id "
    items += "WHERE o.action = 'task.retry' GROUP BY outcome"
    heaviest = {role: max(max(seen) for (one, _), seen in weights.items() if one == role) for role, _ in weights}
    failed = ledger.count("end = 'failed'")
    lines = {
        "faults": f"{faults.total()}: {_counts(faults)}",
        "tasks": f"{ledger.count()}, {failed} failed; {events(shop)} events",
        "operations": f"{len(operator.operations)}; items {_counts(dict(execute(shop.cluster.brain, items)))}",
        "firings": _counts(outcomes),
        "answers": f"{_counts(operator.statuses + reader.statuses)}; none {operator.unanswered + reader.unanswered}",
        "ended at start": f"{shop.restarts}",
        "heaviest, MiB": ", ".join(f"{role} {weight:.0f}" for role, weight in heaviest.items()),
    }
    return "\n".join(f"  {name:<15}{line}" for name, line in lines.items())


def _counts(counted: dict[Any, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(counted.items(), key=lambda one: -one[1]))

"""Several keep one house, and a brain takes events while they do: everything due goes once, and nobody waits long."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from datetime import UTC, datetime, timedelta

from tests import wire as sent
from tests.brain import Brain
from tests.gateway.conftest import Caller, execute
from tests.store import ROOT

DUE, KEPT = 6_000, 300
PRUNE = [sys.executable, "-m", "z4j_brain.cli", "prune", "--json", "--environment", "harbor/production"]


def fill(brain: Brain, days: int, count: int) -> None:
    """Tasks of so many days ago with an event each, past the brain."""
    on_postgres = bool(brain.database_url)
    at = (datetime.now(UTC) - timedelta(days=days)).replace(tzinfo=None).isoformat(" ")
    at, boot = (f"{at}+00", str(uuid.uuid4())) if on_postgres else (at, uuid.uuid4().hex)
    values = {
        "environment_id": brain.cast["environments"]["harbor/production"],
        "engine": "'e'",
        "task_id": f"'{days}-' || number",
        "state": "'succeeded'",
        "attempt": 0,
        "truncated": "'[]'",
        "first_at": f"'{at}'",
        "last_at": f"'{at}'",
    }
    texts = "name queue worker root_id parent_id group_id retry_of schedule args kwargs result error_type error_message"
    values |= dict.fromkeys(f"{texts} traceback error_reason vault cancel_requested_by fold_key".split(), "''")
    cast = {"truncated": "::jsonb", "first_at": "::timestamptz", "last_at": "::timestamptz"} if on_postgres else {}
    chosen = ", ".join(f"{value}{cast.get(name, '')}" for name, value in values.items())
    numbers = f"WITH RECURSIVE n(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM n WHERE number < {count})"
    execute(brain, f"{numbers} INSERT INTO tasks_task ({', '.join(values)}) SELECT {chosen} FROM n")  # noqa: S608
    execute(
        brain,
        "INSERT INTO tasks_event (environment_id, task_id, agent_id, seq, kind, ts, data, received_at) "  # noqa: S608
        f"SELECT environment_id, id, '{boot}', id, 'task.succeeded', 0, '{{}}', last_at FROM tasks_task "
        f"WHERE substr(task_id, 1, {len(str(days)) + 1}) = '{days}-'",
    )


def test_two_that_prune_at_once_while_events_come_in_do_it_once(live_brain):
    fill(live_brain, 40, DUE)
    fill(live_brain, 9, KEPT)
    agent, enough, answers = Caller(live_brain), threading.Event(), []

    def work() -> None:
        number = 0
        while not enough.is_set():
            number += 1
            event = sent.event(1, "task.started", f"new-{number}", ts=sent.now())
            answers.append(agent.post(sent.batch(event)))

    sender = threading.Thread(target=work)
    sender.start()
    runs = [
        subprocess.Popen(PRUNE, cwd=ROOT, env=live_brain.environment(), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [run.communicate(timeout=120)[0] for run in runs]
    enough.set()
    sender.join(60)

    assert [run.returncode for run in runs] == [0, 0], told
    assert {status for status, _ in answers} == {200}
    tasks = dict(execute(live_brain, "SELECT substr(task_id, 1, 2), count(*) FROM tasks_task GROUP BY 1"))
    events = execute(live_brain, "SELECT count(*) FROM tasks_event WHERE received_at < ?", today())
    assert (tasks, events) == ({"9-": KEPT, "ne": len(answers)}, [(KEPT,)])
    removed = "SELECT kind, sum(removed) FROM rbac_sweep WHERE removed > 0 GROUP BY kind"
    counted = dict(execute(live_brain, removed))
    assert counted["tasks"] == DUE >= counted.get("events", 0)  # a task takes along what is left of its events
    check_vacuum(live_brain)


def check_vacuum(brain: Brain) -> None:
    """SQLite's file is smaller afterwards; PostgreSQL needs no such thing, and says so."""
    file = brain.data_dir / "z4j.sqlite3"
    size = file.stat().st_size if file.exists() else 0
    command = [*PRUNE, "--vacuum"]
    run = subprocess.run(command, cwd=ROOT, env=brain.environment(), capture_output=True, text=True, check=False)
    if brain.database_url:
        assert (run.returncode, "autovacuum" in run.stderr) == (1, True)
    else:
        assert (run.returncode, file.stat().st_size < size) == (0, True), run.stderr
        assert execute(brain, "PRAGMA integrity_check") == [("ok",)]


def today() -> str:
    return datetime.now(UTC).date().isoformat()

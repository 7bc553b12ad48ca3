"""The audit log is put back, forked or rewritten, or nobody signs it: what the brain does then, and what agents do."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from z4j_bare.config import Config
from z4j_bare.remembered import WITNESS, Remembered
from z4j_bare.runtime import Agent
from z4j_core.testing.toy import Toy

from tests.brain import Brain
from tests.gateway.conftest import execute
from tests.store import PostgresStore, Store
from z4j_brain.ledger.signer import Signer

HERE = "/api/v1/harbor/production"
#: So many things were asked for before the copy was made.
BEFORE = 2


class Worker:
    """A worker with an agent of its own in this process. What it remembers stays in its folder."""

    def __init__(self, brain: Brain, folder: Path) -> None:
        config = Config.read({"DSN": brain.dsn(), "SPOOL_DIR": str(folder)}, {})
        assert config is not None
        self.brain, self.folder = brain, folder / config.dsn.kid
        self.engine, self.agent = Toy(), Agent(config)
        self.agent.add(self.engine)
        self.agent.role("worker", "w@h")

    def fail(self, task_id: str) -> None:
        """A task of its own fails."""
        vault = self.agent._boot.vault.id if self.agent._boot else ""
        told = {"engine": "toy", "task_id": task_id, "name": "shop.pay", "attempt": 0, "vault": vault}
        self.agent.emit({"kind": "task.failed", **told})

    @property
    def remembered(self) -> int:
        facts = self.agent._boot.witness() if self.agent._boot else {}
        return int(facts.get("size", 0))

    def known(self) -> int:
        """What its folder remembers, after it has ended."""
        seen = Remembered(self.folder / WITNESS)
        head = seen.head()
        seen.file.close()
        assert head is not None
        return head.point.size

    def evidence(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in (self.folder / "evidence").glob("*.json")]

    def close(self) -> None:
        self.agent.discard()


class Stage:
    """A brain that can be stopped, copied and put back, and a worker that goes on."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder = store, folder
        self.brain = Brain(store, folder / "brain")
        self.brain.start()
        self.workers: list[Worker] = []

    def worker(self) -> Worker:
        self.workers.append(Worker(self.brain, self.folder / "agent"))
        return self.workers[-1]

    def get(self, path: str, who: str = "olive") -> Any:
        return json.loads(self.brain.request("GET", f"{HERE}/{path}", who=who)[2])

    def retry(self, task_id: str) -> dict[str, Any]:
        """Ask for it, as soon as the task is known and somebody answers who can."""
        worker = self.workers[-1]
        worker.fail(task_id)

        def asked() -> Any:
            found = [one for one in self.get("tasks/?page_size=200")["results"] if one["task_id"] == task_id]
            if not found:
                return None
            path = f"{HERE}/tasks/{found[0]['id']}/retry/"
            status, _, body = self.brain.request("POST", path, {"reason": "again"}, who="oscar")
            return json.loads(body) if status == 202 else None

        return dict(until(asked))

    def ended(self, operation: dict[str, Any]) -> Any:
        """The items of it, once all of them are settled."""

        def settled() -> Any:
            items = self.get(f"operations/{operation['id']}/items/")["results"]
            return items if items and all(item["outcome"] for item in items) else None

        return until(settled)

    def done(self, task_id: str) -> None:
        [item] = self.ended(self.retry(task_id))
        assert (item["outcome"], self.workers[-1].engine.done[-1]) == ("done", task_id)

    def keep(self, name: str) -> None:
        """A copy of the database and of what the signer remembers, while the brain is stopped."""
        kept = self.folder / name
        kept.mkdir()
        shutil.copytree(self.brain.data_dir / "signer", kept / "signer")
        if isinstance(self.store, PostgresStore):
            self.store._sql(f'CREATE DATABASE "{name}-{self.brain.name}" TEMPLATE "{self.brain.name}"')
        else:
            for path in self.brain.data_dir.glob("z4j.sqlite3*"):
                shutil.copy(path, kept / path.name)

    def put_back(self, name: str, *, signer: bool) -> None:
        kept = self.folder / name
        if signer:
            shutil.rmtree(self.brain.data_dir / "signer")
            shutil.copytree(kept / "signer", self.brain.data_dir / "signer")
        if isinstance(self.store, PostgresStore):
            self.store.drop(self.brain.name)
            self.store._sql(f'CREATE DATABASE "{self.brain.name}" TEMPLATE "{name}-{self.brain.name}"')
        else:
            for path in self.brain.data_dir.glob("z4j.sqlite3*"):
                path.unlink()
            for path in kept.glob("z4j.sqlite3*"):
                shutil.copy(path, self.brain.data_dir / path.name)

    def rewrite(self) -> None:
        """Another database in place of this one, and a signer that remembers nothing, with the same keys."""
        shutil.rmtree(self.brain.data_dir / "signer")
        if isinstance(self.store, PostgresStore):
            self.store.drop(self.brain.name)
            self.store.clone(self.brain.name, cast=True)
        else:
            for path in self.brain.data_dir.glob("z4j.sqlite3*"):
                path.unlink()
            self.store.clone(f"other-{self.brain.name}", cast=True)
            shutil.copy(self.store.folder / f"other-{self.brain.name}" / "z4j.sqlite3", self.brain.data_dir)
            self.store.drop(f"other-{self.brain.name}")

    def grow_past(self, size: int) -> None:
        """Somebody else's worker keeps it busy until its log is longer than that."""
        other = Worker(self.brain, self.folder / "elsewhere")
        self.workers.append(other)
        while (execute(self.brain, "SELECT max(size) FROM ledger_checkpoint")[0][0] or 0) <= size:
            self.done(f"other-{time.monotonic_ns()}")
        other.close()

    def state(self) -> str:
        """Why the signer refuses, as it tells all processes; empty when it does not."""
        found = execute(self.brain, "SELECT state FROM ledger_standing WHERE state <> ?", "sealing")
        return str(found[0][0]) if found else ""

    def unsealed(self) -> int:
        return int(execute(self.brain, "SELECT count(*) FROM ledger_unsealed")[0][0])

    def alarms(self) -> list[str]:
        """What agents have told of; the doctor page says it."""
        agents = execute(self.brain, "SELECT problems FROM agents_agent")
        told = [json.loads(one) if isinstance(one, str) else one for (one,) in agents]
        return [problem["code"] for problems in told for problem in problems]

    def close(self) -> None:
        for worker in self.workers:
            worker.close()
        self.brain.close()
        if isinstance(self.store, PostgresStore):
            self.store.drop(f"yesterday-{self.brain.name}")


@pytest.fixture
def stage(store: Store, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(store, tmp_path)
    yield stage
    stage.close()


def until(look: Callable[[], Any], seconds: float = 60) -> Any:
    """What `look` says, once it says something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return found


def a_day_passes(stage: Stage) -> Worker:
    """A copy is made, and then goes on what it knows nothing of, but the worker does."""
    worker = stage.worker()
    for number in range(BEFORE):
        stage.done(f"before-{number}")
    stage.brain.stop()
    stage.keep("yesterday")
    known = worker.remembered
    stage.brain.start()
    for number in range(3):
        stage.done(f"after-{number}")
    until(lambda: worker.remembered > known)
    stage.brain.stop()
    return worker


def test_over_yesterdays_database_the_brain_reads_and_takes_in_but_seals_and_dispatches_nothing(stage):
    worker = a_day_passes(stage)
    stage.put_back("yesterday", signer=False)
    stage.brain.start()

    until(lambda: stage.state() == "rollback")
    size = execute(stage.brain, "SELECT max(size) FROM ledger_checkpoint")
    operation = stage.retry("today")

    until(lambda: "audit_inconsistent" in stage.alarms())
    assert stage.get(f"operations/{operation['id']}/")["state"] == "pending"
    assert execute(stage.brain, "SELECT max(fence) FROM operations_command WHERE state = ?", "queued") == [(0,)]
    assert execute(stage.brain, "SELECT max(size) FROM ledger_checkpoint") == size
    assert stage.unsealed() > 0
    assert "today" not in worker.engine.done


@pytest.mark.parametrize("way", ["shorter", "forked", "rewritten"])
def test_whoever_holds_brain_database_and_key_is_found_by_the_agent_and_what_it_refuses_is_told(stage, way):
    worker = a_day_passes(stage)
    if way == "rewritten":
        stage.rewrite()
    else:
        stage.put_back("yesterday", signer=True)
    if way == "shorter":
        stage.brain.start()
    else:
        worker.close()
        stage.brain.start()
        stage.grow_past(worker.known())
        worker = stage.worker()

    [item] = stage.ended(stage.retry("today"))

    assert (item["outcome"], stage.state()) == ("refused", "")
    assert item["detail"].endswith("No command is carried out.")
    assert "today" not in worker.engine.done
    until(lambda: "audit_inconsistent" in stage.alarms())
    [evidence] = worker.evidence()
    assert evidence["what"] == ("rollback" if way == "shorter" else "fork")
    assert evidence["remembered"] and evidence["shown"] != evidence["remembered"]
    told = execute(stage.brain, "SELECT body FROM ledger_entry WHERE phase = ? AND outcome = ?", "result", "failed")
    assert [json.loads(bytes(body))["reason_code"] for (body,) in told] == ["audit_inconsistent"]


def test_while_nobody_signs_what_was_asked_for_waits_and_all_else_goes_on(stage):
    worker = stage.worker()
    stage.done("first")
    stage.brain.stop()
    signer = Signer(stage.brain.data_dir)
    assert signer.hold()  # as a signer that hangs: the brain's own waits for it
    try:
        stage.brain.start()
        operation = stage.retry("second")
        until(lambda: "signer_stands_by" in stage.brain.log)
        assert stage.get(f"operations/{operation['id']}/")["state"] == "pending"
        assert worker.engine.done == ["first"]
        assert stage.unsealed() > 0
    finally:
        signer.release()

    [item] = stage.ended(operation)

    assert (item["outcome"], worker.engine.done) == ("done", ["first", "second"])
    until(lambda: stage.unsealed() == 0)
    assert execute(stage.brain, "SELECT count(*) FROM ledger_entry") == execute(
        stage.brain, "SELECT max(size) FROM ledger_checkpoint"
    )

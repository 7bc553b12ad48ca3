"""Whoever is killed, and whenever: each entry is a leaf once, without a gap, and the log is the one that was signed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store import ROOT, Store

APPENDERS = 4
COUNT = 60
KILLS = 5


class Race:
    """A database and a data folder of its own, and processes on them."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.name = store, f"race-{os.getpid()}-{folder.name}"
        url = store.clone(self.name)
        if not url:
            folder.mkdir()
            os.link(store.folder / self.name / "z4j.sqlite3", folder / "z4j.sqlite3")
        told = {"Z4J_DATA_DIR": str(folder), "Z4J_DATABASE_URL": url, "Z4J_LOG_LEVEL": "CRITICAL"}
        self.environment = os.environ | told | {"DJANGO_SETTINGS_MODULE": "z4j_brain.settings"}

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.ledger.hammer", *arguments]
        return subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE)

    def run(self, *arguments: str) -> tuple[int, bytes]:
        process = self.start(*arguments)
        output = process.communicate()[0]
        return process.returncode, output

    def entries(self) -> int:
        code, output = self.run("check")
        assert code == 0
        return int(json.loads(output)["entries"])


@pytest.fixture
def race(store: Store, tmp_path: Path) -> Iterator[Race]:
    race = Race(store, tmp_path / "race")
    yield race
    store.drop(race.name)


def test_no_entry_is_lost_or_sealed_twice_when_the_sealer_is_killed_again_and_again(race):
    appenders = [race.start("append", str(COUNT)) for _ in range(APPENDERS)]
    for number in range(KILLS):
        sealer = race.start("seal")
        time.sleep(1.5 + number / 5)  # somewhere in its work
        sealer.send_signal(signal.SIGKILL)
        sealer.communicate()
    assert [appender.wait() for appender in appenders] == [0] * APPENDERS
    for appender in appenders:
        appender.communicate()
    assert race.entries() == APPENDERS * COUNT


@pytest.mark.parametrize("at", ["remembered", "stored"])
def test_a_sealer_that_is_killed_on_either_side_of_the_commit_goes_on(race, at):
    for _ in range(2):
        assert race.run("append", "3")[0] == 0
        assert race.run("die", at)[0] == -signal.SIGKILL
    assert race.entries() == 6

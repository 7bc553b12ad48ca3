"""`make cluster` keeps its promise: one command, several processes on one port, and whatever dies comes back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.brain import free_port

ROOT = Path(__file__).resolve().parents[2]


class Cluster:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        environment = os.environ | {"CLUSTER_FOLDER": str(folder), "Z4J_PORT": str(free_port())}
        self.process = subprocess.Popen([sys.executable, "demo/cluster.py"], cwd=ROOT, env=environment)
        self.until(lambda: (folder / "cluster.json").exists(), 180)
        self.facts: dict[str, str] = json.loads((folder / "cluster.json").read_text())

    def until(self, ask: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not ask():
            assert self.process.poll() is None, "the cluster ended"
            assert time.monotonic() < end, f"{ask} said no for {seconds} s"
            time.sleep(0.2)

    def answers(self) -> bool:
        address = f"{self.facts['url']}/api/v1/projects/"
        headers = {"Authorization": f"Bearer {self.facts['api_token']}"}
        try:
            with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=10) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def parts(self, word: str) -> list[psutil.Process]:
        """The processes that the cluster has started, of those whose command line has this word."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if f"{word} " in _command(child)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()) + " "
    except psutil.Error:  # gone meanwhile, or dead and not yet cleared away
        return ""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    for above in (folder, *folder.parents[:2]):
        above.chmod(0o755)  # PostgreSQL runs as another user
    cluster = Cluster(folder)
    yield cluster
    everything = psutil.Process(cluster.process.pid).children(recursive=True)
    cluster.process.send_signal(signal.SIGINT)
    assert cluster.process.wait(60) == 0
    assert not [child for child in everything if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_two_of_each_run_on_one_port(cluster):
    assert len(cluster.parts("web")) == 2 and len(cluster.parts("housekeeping")) == 2
    assert all(cluster.answers() for _ in range(20))


@pytest.mark.parametrize("word", ["web", "housekeeping", "valkey-server", "database.py"])
def test_whatever_dies_comes_back(cluster, word):
    [victim, *others] = cluster.parts(word)
    before = len(others) + 1

    victim.kill()

    cluster.until(lambda: victim not in cluster.parts(word) and len(cluster.parts(word)) == before, 60)
    cluster.until(lambda: all(cluster.answers() for _ in range(10)), 60)

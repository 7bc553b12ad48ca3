"""What is installed is what is here: the wheels, in an empty environment outside the tree, open the panel."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.brain import free_port

ROOT = Path(__file__).resolve().parents[2]
UV = ROOT / ".z4j" / "uv" / "bin" / "uv"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that holds the wheels and what they are locked to, and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    for project in (ROOT, ROOT / "z4j_agents" / "z4j-core"):
        run(project, sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder / "wheels")
    run(folder, sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    install = [UV, "pip", "install", "-q", "--python", folder / "venv" / "bin" / "python"]
    run(folder, *install, "--require-hashes", "-r", ROOT / "requirements" / "base.txt")
    run(folder, *install, "--no-deps", "--no-index", *sorted((folder / "wheels").glob("*.whl")))
    return folder / "venv" / "bin"


def test_the_wheels_declare_all_they_need(installed):
    run(installed, UV, "pip", "check", "--python", installed / "python")


def test_the_installed_brain_serves_its_sign_in_page_with_its_style(installed, tmp_path):
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "Z4J_DATA_DIR": str(tmp_path / "data"), "Z4J_PORT": str(port)}
    create = [installed / "z4j", "createadmin", "--username", "olive", "--password-stdin"]
    subprocess.run(create, cwd=tmp_path, env=environment, input="correct-horse-7\n", text=True, check=True)
    with (tmp_path / "log").open("w") as log:
        brain = subprocess.Popen([installed / "z4j", "serve"], cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        page = fetch(brain, f"http://127.0.0.1:{port}/sign-in/")
        style = re.search(r'<link[^>]+href="(/static/[^"]+\.css)"', page)
        assert "<form" in page and style
        parts = re.findall(r'@import url\("([^"]+)"\)', fetch(brain, f"http://127.0.0.1:{port}{style[1]}"))
        assert parts
        for part in parts:
            assert "{" in fetch(brain, f"http://127.0.0.1:{port}{urljoin(style[1], part)}")
    except Exception:
        print((tmp_path / "log").read_text())
        raise
    finally:
        brain.terminate()
    assert brain.wait(15) == 0


def test_what_is_imported_comes_from_the_wheels(installed, tmp_path):
    code = "import z4j_brain, z4j_core; print(z4j_brain.__file__, z4j_core.__file__)"
    out = subprocess.run([installed / "python", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert all(str(installed.parent) in path for path in out.stdout.split())


def fetch(brain: subprocess.Popen[bytes], address: str, patience: float = 30) -> str:
    until = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError:
            raise
        except OSError:
            assert brain.poll() is None and time.monotonic() < until
            time.sleep(0.1)


def run(folder: Path, *command: str | Path) -> None:
    result = subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr

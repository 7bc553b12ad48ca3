"""A Django project with z4j_django: its settings reach the agent, and nothing starts before it is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

DSN = "http://z4ja_k1_secret@127.0.0.1:9/harbor/production?key=pin"
SETTINGS = """
SECRET_KEY = "x"
INSTALLED_APPS = ["z4j_django"]
Z4J = {z4j!r}
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}}
USE_TZ = True
"""
LOOK = """
import os, threading, z4j_bare
from pathlib import Path
agent = z4j_bare.agent()
print(type(agent).__name__, threading.active_count(), Path(os.environ["Z4J_SPOOL_DIR"]).exists())
"""


@pytest.fixture
def manage(tmp_path: Path):
    """Run a management command of a project of its own; what it wrote and how it ended."""

    def run(z4j: object, *arguments: str, **environ: str) -> tuple[int, str, str]:
        (tmp_path / "project_settings.py").write_text(SETTINGS.format(z4j=z4j))
        settings = {"DJANGO_SETTINGS_MODULE": "project_settings", "PYTHONPATH": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            env=os.environ | settings | {"Z4J_SPOOL_DIR": str(tmp_path / "spool")} | environ,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    return run


def test_a_shell_has_an_agent_that_has_opened_nothing(manage, tmp_path):
    assert manage({"DSN": DSN}, "shell", "-v", "0", "-c", LOOK) == (0, "Agent 1 False\n", "")
    assert not (tmp_path / "spool").exists()


def test_settings_win_over_the_environment(manage):
    look = "import z4j_bare; print(z4j_bare.agent().config.redaction, z4j_bare.agent().config.dsn.kid)"
    code, out, _ = manage(
        {"DSN": DSN, "REDACTION": "redact"}, "shell", "-v", "0", "-c", look,
        Z4J_DSN=DSN.replace("k1", "k2"), Z4J_REDACTION="shapes",
    )  # fmt: skip
    assert (code, out) == (0, "redact k1\n")


def test_the_environment_alone_is_enough(manage):
    assert manage({}, "shell", "-v", "0", "-c", LOOK, Z4J_DSN=DSN)[1] == "Agent 1 False\n"


def test_without_a_dsn_nothing_is_there(manage):
    assert manage({}, "shell", "-v", "0", "-c", LOOK) == (0, "Silence 1 False\n", "")


@pytest.mark.parametrize(
    "z4j", [{"DSN": "nonsense"}, {"DSN": DSN, "REDACTION": "off"}, {"DSN": DSN, "X": 1}, "nonsense"]
)
def test_a_setting_that_cannot_be_used_stops_nothing(manage, z4j):
    assert manage(z4j, "shell", "-v", "0", "-c", LOOK)[:2] == (0, "Silence 1 False\n")
    assert manage(z4j, "check")[0] == 0


@pytest.mark.parametrize(
    ("z4j", "code", "words"),
    [
        ("nonsense", "z4j.W001", "Z4J is not a dictionary."),
        ({"DSN": DSN, "REDACTON": "shapes"}, "z4j.W002", "Did you mean REDACTION?"),
        ({"DSN": DSN, "Z4J_DENY": "cancel"}, "z4j.W002", "Did you mean DENY?"),
        ({"DSN": DSN, "colour": "red"}, "z4j.W002", "There are: ACCEPT_GENERATION, ALLOW,"),
        ({"DSN": "nonsense"}, "z4j.W003", "Z4J_DSN is not usable."),
        ({"DSN": DSN, "REDACTION": "off"}, "z4j.W003", "Z4J_REDACTION is one of: redact, shapes, seal."),
    ],
)
def test_check_names_what_is_wrong_and_what_to_write(manage, z4j, code, words):
    ended, _, err = manage(z4j, "check", "--tag", "z4j")
    assert ended == 0
    assert code in err
    assert words in err
    ended, _, err = manage(z4j, "check", "--tag", "z4j", "--deploy")
    assert ended == 1
    assert "z4j.E001" in err


def test_check_has_nothing_to_say_where_all_is_well_or_z4j_is_not_used(manage):
    assert manage({"DSN": DSN}, "check", "--tag", "z4j")[::2] == (0, "")
    assert manage({}, "check", "--tag", "z4j")[::2] == (0, "")


def test_only_a_deployment_is_warned_of_a_missing_dsn_or_engine(manage):
    _, _, err = manage({}, "check", "--tag", "z4j", "--deploy")
    assert "(z4j.W006) z4j has no DSN here" in err
    _, _, err = manage({"DSN": DSN}, "check", "--tag", "z4j", "--deploy")
    assert "(z4j.W007) No task engine" in err


def test_a_task_that_django_sends_starts_the_agent(manage, tmp_path):
    emit = "import z4j_bare; z4j_bare.agent().emit({'kind': 'task.enqueued', 'task_id': 't'})"
    code, out, err = manage({"DSN": DSN}, "shell", "-v", "0", "-c", emit)
    assert (code, out, err) == (0, "", "")
    assert len(list((tmp_path / "spool" / "k1").glob("*.lock"))) == 1

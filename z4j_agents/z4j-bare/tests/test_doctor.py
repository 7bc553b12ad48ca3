"""The doctor names the hop that fails, in sentences, and tells nobody's secrets."""

from __future__ import annotations

import json
import socket
import sys
from typing import Any, ClassVar

import pytest
import z4j_bare
from z4j_bare import cli, doctor
from z4j_core import wire
from z4j_core.engine import Advice, Answer, Engine, Target

SECRET = "s" * 43


class Toy(Engine):
    """Its workers are the test."""

    name: ClassVar[str] = "toy"
    down: ClassVar[bool] = False
    told: ClassVar[list[Advice]] = []
    asked: ClassVar[list[Target]] = []

    def queues(self):
        if self.down:
            raise ConnectionError("redis://user:hunter2@broker")
        return [{"name": "mail", "depth": 3}, {"name": "stock", "depth": 4}]

    def advice(self):
        return self.told

    def hello(self, target, params):
        self.asked.append(target)
        return Answer(wire.Outcome.DONE, "", target.new_task_id())


@pytest.fixture
def examine(brain, tmp_path, monkeypatch):
    """Run the doctor on one engine; what it says, as {hop: [(ok, warning, text and fix)]}."""
    monkeypatch.setattr(Toy, "asked", [])
    monkeypatch.setattr("z4j_bare.hello.LOOK", 0.05)

    def run(**changes: Any) -> dict[str, list[tuple[bool, bool, str]]]:
        settings = {"DSN": brain.dsn, "SPOOL_DIR": str(tmp_path / "spool")} | changes
        z4j_bare.configure(**settings)
        z4j_bare.attach(Toy())
        said: dict[str, list[tuple[bool, bool, str]]] = {}
        for hop in doctor.run(settings, queue="mail", seconds=0.4):
            said.setdefault(hop.name, []).append((hop.ok, hop.warning, f"{hop.text} {hop.fix}"))
        assert SECRET not in str(said)
        assert "hunter2" not in str(said)
        return said

    yield run
    z4j_bare.configure(DSN="")
    z4j_bare.configure()


def failing(said: dict[str, list[tuple[bool, bool, str]]]) -> list[str]:
    return [name for name, hops in said.items() for ok, _, _ in hops if not ok]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_when_all_is_well_each_hop_says_so(examine, brain):
    brain.hello = {"state": "succeeded", "kinds": ["task.enqueued", "task.succeeded"], "worker": "w@h"}
    said = examine()
    names = ["settings", "name", "port", "brain", "key", "clock", "spool", "engines", "broker toy", "hello toy"]
    assert [name for name in said if name != "spool"] == [name for name in names if name != "spool"]
    assert failing(said) == []
    assert "Queues: 2, messages that wait: 7." in said["broker toy"][0][2]
    assert "w@h" in said["hello toy"][1][2]
    assert Toy.asked[0].queue == "mail"


@pytest.mark.parametrize(
    ("hello", "words"),
    [
        ({"state": None, "kinds": [], "worker": ""}, "no event of it reached the brain"),
        ({"state": "queued", "kinds": ["task.enqueued"], "worker": ""}, "no worker told that it took it"),
        ({"state": "started", "kinds": ["task.started"], "worker": "w@h"}, "w@h took it and has not finished"),
        ({"state": "failed", "kinds": ["task.failed"], "worker": "w@h"}, "ended as failed"),
        (None, "cannot be asked"),
    ],
)
def test_a_hello_that_does_not_come_back_names_how_far_it_got(examine, brain, hello, words):
    brain.hello = hello
    said = examine()
    assert failing(said) == ["hello toy"]
    assert words in said["hello toy"][1][2]


@pytest.mark.parametrize("state", ["succeeded", "failed", "started", ["failed"]])
def test_a_brain_gives_no_orders_to_a_terminal(examine, brain, state, capsys):
    brain.hello = {"state": state, "kinds": ["task.started"], "worker": "\x1b[2J\x9b1mw\u202e@h\r\n" + "x" * 5000}
    said = examine()["hello toy"][1]
    assert said[2].isprintable()
    assert len(said[2]) < 1000
    cli.tell([doctor.Hop("a\x1b[2J", False, "Broken\x07.\nNext\x1b]0;x", "\x1b[1mDo.")])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("changes", "hop", "words"),
    [
        ({"DSN": ""}, "settings", "no DSN"),
        ({"DSN": "https://example.com/"}, "settings", "Z4J_DSN is not usable"),
        ({"DSN": f"http://z4ja_k1_{SECRET}@nowhere.invalid/a/b?key=x", "INSECURE": True}, "name", "does not resolve"),
        ({"DSN": f"http://z4ja_k1_{SECRET}@127.0.0.1:{free_port()}/a/b?key=x"}, "port", "Nobody takes a connection"),
    ],
)
def test_what_fails_on_the_way_to_the_brain_is_named_and_nothing_is_sent(examine, changes, hop, words):
    said = examine(**changes)
    assert failing(said) == [hop]
    assert words in said[hop][0][2]
    assert "hello toy" not in said


def test_an_engine_that_cannot_be_tried_from_here_is_a_warning_with_its_reason(examine, monkeypatch):
    monkeypatch.setattr(Toy, "obstacle", lambda self, verb: "Only a worker can do this." if verb == "hello" else "")
    said = examine()
    assert failing(said) == []
    ((ok, warning, text),) = said["hello toy"]
    assert ok and warning
    assert "Only a worker can do this." in text


def test_another_brain_a_refused_key_and_a_wrong_clock_are_told_apart(examine, brain):
    assert failing(examine(DSN=brain.dsn + "x")) == ["brain"]
    brain.poll_status = 401
    assert failing(examine()) == ["key"]
    brain.poll_status = 200
    brain.ahead = 90_000_000
    said = examine()
    assert failing(said) == ["clock"]
    assert "90.0 s apart" in said["clock"][0][2]


def test_a_key_that_belongs_elsewhere_than_the_dsn_says_is_a_warning(examine, brain):
    path = brain.dsn.rpartition("/")[0].rpartition("/")[2] + "/" + brain.dsn.rpartition("/")[2].partition("?")[0]
    brain.hello = {"place": path, "state": "succeeded", "kinds": ["task.succeeded"], "worker": "w@h"}
    assert examine()["environment"] == [(True, False, f"Its environment is {path}. ")]
    brain.hello["place"] = "harbor/staging"
    ((ok, warning, text),) = examine()["environment"]
    assert ok and warning
    assert "its key belongs to harbor/staging" in text


def test_tls_is_tried_where_the_dsn_asks_for_it(examine, brain):
    said = examine(DSN=brain.dsn.replace("http:", "https:"))
    assert failing(said) == ["tls"]


def test_a_broker_that_is_down_fails_and_advice_is_a_warning(examine, brain, monkeypatch):
    brain.hello = {"state": "succeeded", "kinds": ["task.succeeded"], "worker": "w@h"}
    monkeypatch.setattr(Toy, "told", [Advice("acks-early", "Tasks are acknowledged early.", "Set acks_late.")])
    said = examine()
    assert failing(said) == []
    assert said["advice toy acks-early"] == [(True, True, "Tasks are acknowledged early. Set acks_late.")]
    monkeypatch.setattr(Toy, "down", True)
    assert failing(examine()) == ["broker toy"]
    monkeypatch.setattr(Toy, "queues", absent)
    ((ok, warning, text),) = examine()["broker toy"]
    assert ok and warning and "cannot be looked into from here: this process is not a worker." in text


def absent(self):
    raise LookupError("this process is not a worker")


def test_a_spool_that_cannot_be_written_is_named(examine, tmp_path):
    (tmp_path / "file").write_text("")
    said = examine(SPOOL_DIR=str(tmp_path / "file"))
    assert "spool" in failing(said)
    assert "Z4J_SPOOL_DIR" in said["spool"][0][2]


APP = """
import z4j_bare
from z4j_core.engine import Answer, Engine
from z4j_core.wire import Outcome
class Toy(Engine):
    name = "toy"
    def hello(self, target, params):
        return Answer(Outcome.DONE, "", target.new_task_id())
z4j_bare.attach(Toy())
"""
RUN = """
import os, sys
os.chdir(os.environ["PLACE"])
from z4j_bare import cli
sys.exit(cli.main(sys.stdin.read().split()))
"""


def test_the_command_exits_with_0_1_or_2_and_prints_sentences_or_json(program, brain, tmp_path):
    (tmp_path / "app.py").write_text(APP)
    brain.hello = {"state": "succeeded", "kinds": ["task.succeeded"], "worker": "w@h"}

    def run(arguments: str, **environ: str) -> tuple[int, str]:
        process = program(RUN, PLACE=str(tmp_path), **environ)
        out, err = process.communicate(arguments)
        assert err == ""
        assert SECRET not in out
        return process.returncode, out

    code, out = run("doctor --import app")
    assert code == 0, out
    assert "ok       brain: The brain answers, and its root is the one pinned in the DSN.\n" in out
    code, out = run("doctor --import app --json")
    assert (code, json.loads(out)[0]["name"]) == (0, "import")
    code, out = run("doctor --import absent")
    assert code == 1
    assert "failed   import: absent cannot be imported (ModuleNotFoundError).\n" in out
    assert run("doctor --import app --engine toy")[0] == 0
    assert run("doctor")[0] == run("doctor --import app --engine other")[0] == 1
    assert "The engine other is not in use in this process.\n" in run("doctor --import app --engine other")[1]
    assert "not well. begin with: engines." in run("doctor")[1].lower()
    assert "There is no DSN" in run("doctor", Z4J_DSN="")[1]


def test_only_warnings_are_an_exit_code_of_their_own(capsys):
    fine, odd = doctor.Hop("a", True, "Fine."), doctor.Hop("b", True, "Odd.", "Change it.", warning=True)
    assert cli.tell([fine]) == 0
    assert cli.tell([fine, odd]) == 2
    assert cli.tell([doctor.Hop("c", False, "Broken."), odd]) == 1
    said = capsys.readouterr().out
    assert "warning  b: Odd.\n         What to do: Change it.\n" in said
    assert said.count("\nAll is well.\n") == said.count("\nAll works. Warnings: 1.\n") == 1
    assert said.endswith("\nNot well. Begin with: c.\n")
    assert "z4j_bare.doctor" in sys.modules


def test_originals_that_are_to_be_sealed_and_cannot_be_are_a_warning(examine):
    told = examine(REDACTION="seal")["engines"]
    assert [(ok, warning, "keys init" in text) for ok, warning, text in told if "mode seal" in text] == [
        (True, True, True)
    ]

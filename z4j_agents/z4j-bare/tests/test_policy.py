"""The environment's policy of redaction: heard with a poll, kept for all processes of a host, and only ever tighter."""

from __future__ import annotations

import json
import os

import pytest
from z4j_bare import policies
from z4j_bare.cli import main
from z4j_bare.config import Config, InvalidSetting
from z4j_bare.policies import FILE, Policies
from z4j_core import policy
from z4j_core.policy import Mode
from z4j_core.redaction import RULES_VERSION, Redactor
from z4j_core.testing.toy import Toy

VALUE = "an order of three"


def document(**changes):
    said = {"mode": "redact", "default": "redact", "tasks": [], "rules": [], "seal_key": ""} | changes
    return {**said, "version": policy.version(said)}


def rule(match, kind="text", tasks="", name="customer"):
    return {"id": name, "kind": kind, "match": match, "tasks": tasks}


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """What a process of this host knows whenever it looks."""
    monkeypatch.setattr(policies, "LOOK", 0.0)
    return lambda: Policies(lambda: tmp_path)


def told(known, owner=None, task="shop.pay", value=VALUE):
    return Redactor(owner, known.now).of(task).value(value)[0]


def test_a_worker_hears_the_policy_applies_it_and_says_so(make_agent, brain, wait_for):
    agent = make_agent()
    agent.add(Toy())
    agent.role("worker", "w")
    assert agent.redactor.of("shop.pay").mode is Mode.SHAPES, "until a policy has been heard"
    brain.policy = document(tasks=[["shop.*", "shapes"]], rules=[rule("CUS-####")])
    wait_for(lambda: agent.redactor.of("mail.send").mode is Mode.REDACT)
    assert agent.redactor.of("mail.send").value("of CUS-1234")[0] == "'of [redacted:customer]'"
    assert agent.redactor.of("shop.pay").mode is Mode.SHAPES

    def said():
        online = [event["data"] for event in brain.stored.values() if event["kind"] == "agent.online"]
        return [(data["redaction"], data["policy"]) for data in online if data["rules"] == RULES_VERSION]

    wait_for(lambda: ("redact", brain.policy["version"]) in said())
    assert ("shapes", "") in said()
    wait_for(lambda: brain.applied[-1] == brain.policy["version"])
    brain.policy = document(mode="seal")
    wait_for(lambda: ("seal", brain.policy["version"]) in said())
    assert agent.redactor.of("mail.send").value("of CUS-1234")[0] == "str[11]"


def test_every_process_of_a_host_applies_what_one_of_them_heard_also_after_a_restart(kept):
    one, other = kept(), kept()
    assert other.now() is None
    one.hear(document())
    assert told(one) == told(other) == told(kept()) == repr(VALUE)
    same = other.now()
    assert other.now() is same, "the same object as long as nothing changes"
    one.hear(document(mode="shapes"))
    assert told(one) == told(other) == told(kept()) == "str[17]"


def test_a_policy_tightens_what_the_owner_chose_and_never_loosens_it(kept):
    known = kept()
    known.hear(document(tasks=[["shop.*", "shapes"]]))
    assert told(known, "redact", "mail.send") == repr(VALUE)
    assert told(known, "redact", "shop.pay") == "str[17]"
    assert told(known, "shapes", "mail.send") == "str[17]"
    assert known.mode("redact") == "redact"
    assert known.mode("seal") == "seal"


@pytest.mark.parametrize(
    "broken",
    [
        document(mode="everything"), document() | {"version": "0" * 12}, document(rules=[rule("a")]), {"version": "x"},
        document(rules=[rule("CUS-####", kind="other")]), document(tasks=[["shop.*"]]), document(seal_key="x"),
        document(default="seal"), {},
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_used_is_shapes_for_all(kept, broken, make_agent):
    one, other = kept(), kept()
    one.hear(document())
    one.hear(broken)
    assert told(one, "redact") == told(other, "redact") == "str[17]"
    agent = make_agent()
    one.tell(agent.problems)
    assert [problem["code"] for problem in agent.problems.told()] == ["policy_unreadable"]
    one.hear(document(mode="shapes", default="shapes"))
    one.tell(agent.problems)
    assert agent.problems.told() == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b" " * 600_000, b"null"])
def test_a_file_that_cannot_be_read_is_shapes_for_all(kept, tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    known = kept()
    assert told(known, "redact") == "str[17]"
    assert known.version() == "", "so that the brain hands it out again"
    known.hear(document())
    assert told(known, "redact") == told(kept(), "redact") == repr(VALUE)


def test_a_file_that_is_gone_changes_nothing_in_who_has_read_it(kept, tmp_path):
    known = kept()
    known.hear(document(mode="shapes"))
    (tmp_path / FILE).unlink()
    assert told(known, "redact") == "str[17]"


def test_the_file_is_its_owners_alone_and_nothing_else_is_left_beside_it(kept, tmp_path):
    kept().hear(document())
    assert os.listdir(tmp_path) == [FILE]
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / FILE).read_text()) == document()


def test_the_setting_is_a_mode_or_left_to_the_policy(brain):
    read = lambda **more: Config.read({"DSN": brain.dsn, **more}, {}).redaction  # noqa: E731
    assert read() is None
    assert [read(REDACTION=str(mode)) for mode in Mode] == list(Mode)
    with pytest.raises(InvalidSetting, match="Z4J_REDACTION is one of: redact, shapes, seal"):
        read(REDACTION="off")


@pytest.fixture
def shell(brain, tmp_path, monkeypatch, capsys, kept):
    """`z4j-agent redact-test` as a shell runs it here, and what it prints: exit code, output, what went wrong."""
    settings = {"DSN": brain.dsn, "SPOOL_DIR": str(tmp_path / "spool")}
    monkeypatch.setattr("z4j_bare.settings", lambda: settings)
    (tmp_path / "shoptasks.py").write_text(
        "import z4j_core as z4j\n\n@z4j.redact(args={'note': 'drop', 'pin': 'keep'}, result='shape')\n"
        "def pay(order, note, pin): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    known = Policies(Config.read(settings, {}).folder)

    def run(*words, **document_says):
        if document_says:
            known.hear(document(**document_says))
        code = main(["redact-test", *words])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


CALL = ("shoptasks.pay", "--import", "shoptasks", "--args", '["CUS-1234", "hello", 9]', "--kwargs", '{"password": "x"}')


def test_redact_test_prints_what_would_leave_and_which_rule_hides_the_rest(shell):
    assert shell(*CALL)[1].splitlines()[1] == "args    (str[8], [redacted:note], int)"
    told = shell(*CALL, "--result", "[1]", "--error", "token=abc", rules=[rule("CUS-####")])
    assert told[0] == 0
    assert told[1].splitlines()[1:] == [
        "args    ('[redacted:customer]', [redacted:note], 9)",
        "kwargs  {'password': [redacted]}",
        "result  [int]",
        "error   token=[redacted]",
        "hidden  customer (1 in args), note (1 in args), redacted (1 in kwargs), redacted (1 in error)",
    ]
    assert "the task asks for something itself" in told[1].splitlines()[0]
    assert shell(*CALL, tasks=[["shoptasks.*", "shapes"]])[1].startswith("mode    shapes (Z4J_REDACTION is not set")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("t", "--args", "{}"), "--args is a JSON list"),
        (("t", "--kwargs", "[]"), "--kwargs is a JSON object"),
        (("t", "--args", "nope"), "--args is not JSON"),
        (("t", "--import", "no_such_module"), "no_such_module cannot be imported"),
    ],
)
def test_redact_test_says_what_is_wrong_with_what_it_is_given(shell, words, why):
    code, out, error = shell(*words)
    assert (code, out) == (2, "")
    assert why in error

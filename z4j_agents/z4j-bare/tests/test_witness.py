"""The agent as a witness: a log that became shorter or another is seen, kept as evidence, and ends all commands."""

from __future__ import annotations

import base64
import json
import logging
from typing import ClassVar

import pytest
from z4j_bare import evidence
from z4j_bare.remembered import WITNESS, Remembered
from z4j_bare.trust import Trust
from z4j_core import note, wire
from z4j_core.engine import Engine

from tests.conftest import BOOT


class Toy(Engine):
    name: ClassVar[str] = "toy"

    def worker(self):
        return {"host": "h", "pid": 1, "queues": ["q"], "running": []}

    def retry(self, target, params):
        raise AssertionError("It was not to be carried out.")


def rewritten(brain, size):
    """A log of this size that the same key has signed, and that is none of what anybody has seen."""
    log = brain.new_log()
    for number in range(size):
        log.append({"never": number})
    return log


def cut(brain, size):
    log = brain.new_log()
    log.leaves = brain.log.leaves[:size]
    return log


def test_a_command_that_stands_in_the_log_is_taken_as_the_log_grows(host, brain):
    first = host()
    for _ in range(5):
        first.poll()
        assert first.told() == ("", "")
    first.poll()
    assert first.witness.facts() == {"origin": brain.log.origin, "size": 5}
    assert host().witness.facts()["size"] == 5


def _proof(command, **changes):
    return command | {"proof": command["proof"] | changes}


@pytest.mark.parametrize(
    ("code", "tampered"),
    [
        ("proof_missing", lambda brain, command: {**command, "proof": None}),
        ("proof_unreadable", lambda brain, command: _proof(command, entry="%")),
        ("proof_unreadable", lambda brain, command: _proof(command, index="1")),
        ("proof_unreadable", lambda brain, command: command | {"proof": {}}),
        ("not_in_log", lambda brain, command: _proof(command, index=0)),
        ("not_in_log", lambda brain, command: _proof(command, path=command["proof"]["path"][1:])),
        ("not_in_log", lambda brain, command: _proof(command, entry=base64.b64encode(b"{}").decode())),
        ("not_of_entry", lambda brain, command: _proof(command, number=1, count=2)),
        ("not_of_entry", lambda brain, command: _proof(command, statement=brain.command(BOOT)["proof"]["statement"])),
        ("not_of_entry", lambda brain, command: command | {"proof": brain.log.prove(command, outcome="refused")[0]}),
        ("not_as_sealed", lambda brain, command: command | {"id": "another"}),
        ("not_as_sealed", lambda brain, command: command | {"verb": "cancel"}),
        ("not_as_sealed", lambda brain, command: command | {"params": {"queue": "q"}}),
        ("not_as_sealed", lambda brain, command: command | {"expires": command["expires"] + 1}),
        ("not_as_sealed", lambda brain, command: command | {"targets": [{"item": 1, "task_id": "t2"}]}),
        ("audit_inconsistent", lambda brain, command: _proof(command, checkpoint="none")),
        ("audit_inconsistent", lambda brain, command: _proof(command, checkpoint=rewritten(brain, 9).checkpoint())),
    ],
)  # fmt: skip
def test_what_is_not_as_it_was_sealed_is_refused_with_its_code_and_a_sentence(host, brain, code, tampered):
    first = host()
    first.poll()
    for _ in range(4):
        assert first.told() == ("", "")
    command = tampered(brain, brain.command(BOOT))
    if command["proof"] is None:
        del command["proof"]
    found, why = first.inspect(command)
    assert found == code
    assert why.endswith(".")


def test_a_lease_may_name_some_of_the_sealed_targets_and_a_name_that_was_learnt_since(host, brain):
    targets = [{"item": number, "task_id": f"t{number}"} for number in range(5)]
    command = brain.command(BOOT, targets=targets)
    assert host().inspect(command | {"targets": targets[3:]}) == ("", "")
    assert host().inspect(command | {"targets": [{**targets[0], "name": "shop.mail", "queue": "low"}]}) == ("", "")
    named = brain.command(BOOT, targets=[{"item": 1, "task_id": "t1", "name": "shop.mail"}])
    assert host().inspect(named | {"targets": [{"item": 1, "task_id": "t1", "name": "shop.pay"}]})[0] == "not_as_sealed"


def test_without_a_proof_a_command_is_taken_only_where_the_owner_says_so(host, brain):
    command = brain.command(BOOT)
    del command["proof"]
    assert host().inspect(command)[0] == "proof_missing"
    assert host(required=False).inspect(command) == ("", "")
    assert host(required=False).inspect(brain.command(BOOT) | {"id": "other"})[0] == "not_as_sealed"


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("rollback", lambda brain: cut(brain, 3)),
        ("rollback", lambda brain: rewritten(brain, 3)),
        ("fork", lambda brain: rewritten(brain, 8)),
    ],
)
def test_a_log_that_became_shorter_or_another_ends_all_commands_and_is_kept_as_evidence(
    host, brain, tmp_path, caplog, monkeypatch, capsys, dsn, kind, shown
):
    first = host()
    for _ in range(6):
        first.told()
    first.poll()
    true, before = brain.log, brain.log.checkpoint()
    with caplog.at_level(logging.CRITICAL):
        brain.log = shown(brain)
        first.poll()
        first.poll()
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]
    assert first.alarm == kind
    assert first.told() == ("audit_inconsistent", first.witness.alarm().text)
    assert [problem["code"] for problem in first.problems.told()] == ["audit_inconsistent"]
    assert first.said == 1
    # Not after a restart; a proven fork not when the true log is shown again either, until the owner says so.
    again = host()
    again.poll()
    assert again.told()[0] == "audit_inconsistent"
    assert again.problems.told()
    brain.log = true
    again.poll()
    assert (again.told()[0], again.alarm) == (("", "") if kind == "rollback" else ("audit_inconsistent", "fork"))
    [kept] = (tmp_path / "evidence").iterdir()
    found = json.loads(kept.read_text())
    assert (kept.stat().st_mode & 0o777, found["remembered"]) == (0o600, before)
    for text in (found["remembered"], found["shown"]):
        assert Trust(dsn.key, first.transport).checkpoint(text).origin == brain.log.origin
    assert found["keys"] == brain.keys()
    assert ("proves nothing" in found["says"], bool(found["proof"])) == (kind == "rollback", kind == "fork")
    accepted = host(accept="1")
    accepted.poll()
    assert accepted.told() == ("", "")


def test_the_owners_word_counts_once(host, brain):
    first = host(accept="1")
    first.told()
    first.told()
    first.poll()
    brain.log = cut(brain, 1)
    again = host(accept="1")
    again.poll()
    assert again.told()[0] == "audit_inconsistent"
    for word in ("1:1", "1:2"):
        accepted = host(accept=word)
        accepted.poll()
        assert accepted.told() == ("", "")
        brain.log = rewritten(brain, brain.log.size)
        assert accepted.told()[0] == "audit_inconsistent"
        assert accepted.alarm == "fork"


NOISE = base64.b64encode(b"n" * 32).decode()


@pytest.mark.parametrize(
    "garbled", [{"proof": [NOISE]}, {"proof": [NOISE], "root": NOISE}, {"root": NOISE}, {"proof": 5}, {"proof": [7]}]
)
def test_who_garbles_proofs_between_us_and_the_brain_makes_no_lasting_alarm_and_no_false_evidence(
    host, brain, tmp_path, garbled
):
    first = host()
    for _ in range(3):
        first.told()
    asked = first.witness.query()
    brain.log.append({})
    brain.log.append({})
    command = brain.command(BOOT)
    good = brain.log.log(int(asked["size"]))

    # In the answer alone: the brain is asked anew, and shows it.
    first.witness.hear(good | {"proof": [NOISE]}, asked)
    assert (first.alarm, first.inspect(command)) == ("", ("", ""))

    # Everywhere: nothing is carried out until the brain is heard.
    brain.garbled = garbled
    brain.log.append({})
    command, asked = brain.command(BOOT), first.witness.query()
    first.witness.hear(brain.log.log() | {"proof": [NOISE]}, asked)
    known_to_agree = garbled == {"root": NOISE}
    assert first.alarm == ("" if known_to_agree else "unproven")
    assert host().inspect(command)[0] == ("" if known_to_agree else "audit_inconsistent")
    brain.garbled = {}
    first.poll()
    assert (first.alarm, first.told()) == ("", ("", ""))
    kept = [json.loads(path.read_text()) for path in tmp_path.glob("evidence/*.json")]
    assert [one["what"] for one in kept] == ([] if known_to_agree else ["unproven"])
    assert all("proves nothing" in one["says"] and one["proof"] == [] for one in kept)


@pytest.mark.parametrize("hidden", [False, True])
def test_an_old_answer_that_is_shown_again_is_refused_while_the_brain_is_not_heard_and_no_longer(host, brain, hidden):
    first = host()
    first.told()
    old = brain.log.log()
    for _ in range(3):
        first.told()
    true = brain.log
    if hidden:
        brain.log = cut(brain, 1)

    first.witness.hear(old, first.witness.query())

    assert first.alarm == ("rollback" if hidden else "")
    brain.log = true
    assert first.told()[0] == ("audit_inconsistent" if hidden else "")
    again = host()
    again.poll()
    assert (again.alarm, again.told()) == ("", ("", ""))


def test_what_nobody_has_signed_is_no_evidence_and_of_what_proves_nothing_not_all_is_kept(host, brain, tmp_path):
    first = host()
    for _ in range(evidence.MOST_UNPROVEN + 3):
        first.told()
    true = brain.log
    for size in range(1, evidence.MOST_UNPROVEN + 3):
        brain.log = cut(brain, size)
        first.poll()
        assert first.alarm == "rollback"
        brain.log = true
        first.poll()
        assert first.alarm == ""
    first.witness.hear({"checkpoint": "noise"}, {})
    assert first.alarm == "unsigned"
    assert len(list(tmp_path.glob("evidence/rollback-*"))) == evidence.MOST_UNPROVEN
    assert len(list(tmp_path.glob("evidence/*"))) == evidence.MOST_UNPROVEN


def test_a_fork_of_the_same_size_is_seen_by_the_next_command(host, brain):
    first = host()
    first.told()
    brain.log = rewritten(brain, 0)
    assert first.told()[0] == "audit_inconsistent"
    assert first.alarm == "fork"


def test_an_answer_that_was_overtaken_by_another_worker_of_the_host_is_no_rollback(host, brain):
    slow, quick = host(), host()
    slow.told()
    asked = slow.witness.query()
    late, command = brain.log.log(1), brain.command(BOOT)
    for _ in range(3):
        quick.told()
    slow.witness.hear(late, asked)
    assert (slow.alarm, slow.inspect(command)) == ("", ("", ""))
    assert slow.witness.facts()["size"] == 5


def test_what_the_brain_does_not_prove_is_refused_until_it_does(host, brain):
    first = host()
    first.told()
    hidden, brain.log = brain.log, brain.new_log(7)
    hidden.append({})
    command = {"checkpoint": hidden.checkpoint(), "proof": []}
    first.witness.hear(command, {})
    assert first.alarm == "unproven"
    brain.log = hidden
    assert first.told()[0] == "audit_inconsistent"
    first.poll()
    assert (first.alarm, first.told()) == ("", ("", ""))


def test_a_checkpoint_that_no_log_key_of_the_root_has_signed_is_not_believed(host, brain):
    first = host()
    first.told()
    true, brain.log = brain.log, type(brain.log)(brain.action.public, brain.action.private.sign)
    brain.log.leaves = [*true.leaves, b"{}"]
    first.poll()
    assert first.alarm == "unsigned"
    assert first.told()[0] == "audit_inconsistent"
    brain.log = true
    first.poll()
    assert first.told() == ("", "")


def anew(brain, *signers):
    """The second generation, whose first checkpoint these have signed, too; as an agent of the first is told of it."""
    brain.log = brain.new_log(2)
    brain.log.append({"quotes": "the first"})
    first = brain.log.checkpoint()
    for key in signers:
        first = note.cosign(first, "brain.test/z4j/audit/recovery", key.public, key.private.sign)
    for number in range(6):
        brain.log.append({"number": number})
    return wire.Log(checkpoint=brain.log.checkpoint(), proof=brain.log.consistency(1, 7), first=first)


def test_a_new_generation_counts_when_the_recovery_key_vouches_for_it(host, brain):
    key = type(brain.root)()
    brain.recovery = {"r1": base64.b64encode(key.public).decode()}
    first = host()
    first.told()
    first.told()
    asked = first.witness.query()
    brain.log = cut(brain, 1)
    first.poll()
    assert first.alarm == "rollback"
    first.witness.hear(anew(brain, key), asked)
    assert (first.alarm, first.told()) == ("", ("", ""))


def test_a_recovery_key_that_is_told_of_later_vouches_for_nothing(host, brain):
    first = host()
    first.told()
    asked = first.witness.query()
    key = type(brain.root)()
    brain.recovery = {"r1": base64.b64encode(key.public).decode()}
    again = host()
    again.witness.hear(anew(brain, key), asked)
    assert again.alarm == "generation"
    assert "Z4J_ACCEPT_GENERATION" in again.told()[1]
    accepted = host(accept="2")
    accepted.poll()
    assert accepted.told() == ("", "")


def test_the_first_generation_in_place_of_the_second_is_a_rollback(host, brain):
    first, old = host(), brain.log
    old.append({})
    brain.log = brain.new_log(2)
    first.told()
    asked = first.witness.query()
    first.witness.hear(old.log(), asked)
    assert first.alarm == "rollback"


def test_what_cannot_be_written_down_is_not_acted_on(host, tmp_path):
    (tmp_path / WITNESS).mkdir()
    first = host()
    first.poll()
    assert "remembers" in first.told()[1]


def test_a_worker_tells_the_brain_what_it_remembers_and_what_is_wrong(make_agent, brain, wait_for, tmp_path):
    agent = make_agent()
    agent.add(Toy())
    brain.log.append({})
    brain.log.append({})
    agent.role("worker", "w@h")
    seen = Remembered(tmp_path / "spool" / "k1" / WITNESS)
    wait_for(lambda: (tmp_path / "spool" / "k1" / WITNESS).exists() and seen.head() is not None)
    brain.log = cut(brain, 1)
    brain.commands.append(brain.sign(brain.command(agent._boot.id)))
    wait_for(lambda: brain.results)
    [result] = brain.results[0]["results"]
    assert (result["outcome"], result["code"]) == ("refused", "audit_inconsistent")

    def online():
        return [event["data"] for event in list(brain.stored.values()) if event["kind"] == "agent.online"][-1]

    wait_for(lambda: online()["problems"])
    assert online()["problems"][0]["code"] == "audit_inconsistent"
    assert set(online()["witness"]) == {"durable", "origin", "size", "alarm"}

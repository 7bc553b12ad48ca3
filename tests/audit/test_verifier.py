"""The verifier says verified of a whole log alone, and the right word of everything else."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.audit.written import LOG, NOON, SECOND, Written, parts_of, zipped
from z4j_brain.audit import verifier
from z4j_brain.audit.verifier import DIVERGED, INCOMPLETE, INVALID, SELF_CONSISTENT, VERIFIED, verify


@pytest.fixture
def log():
    """Eleven entries, a checkpoint after each third, one person's part erased."""
    log = Written()
    names = [log.append() for _ in range(3)]
    log.seal()
    request = log.append("request")
    log.append("dispatch", parent=request)
    log.append("result", parent=request)
    log.seal()
    log.erase(names[1])
    log.seal()
    return log


def verdict(log, *held, **more):
    return verify(zipped(parts_of(log, **more)), [log.vkey], list(held))


def texts(report, level=None):
    return [finding["text"] for finding in report.findings if level is None or finding["level"] == level]


def test_a_whole_log_that_continues_a_held_checkpoint_is_verified(log):
    report = verdict(log, log.notes[3])

    assert (report.code, report.findings) == (VERIFIED, [])
    [here] = report.generations
    assert (here["size"], here["entries"], here["erased"], here["held"]) == (8, 8, 1, [3])


def test_without_a_checkpoint_or_a_key_from_outside_it_is_self_consistent_only(log):
    assert verdict(log).code == SELF_CONSISTENT
    assert verify(zipped(parts_of(log)), [], [log.notes[3]]).code == SELF_CONSISTENT


def test_the_checkpoint_of_an_empty_log_vouches_for_nothing(log):
    assert verdict(log, Written(key=log.key).seal()).code == SELF_CONSISTENT


def test_checkpoints_are_found_among_whatever_else_a_file_holds(log):
    anchor = f"2026-11-26 sealed\n{log.notes[3]}\n2026-11-27 sealed\n{log.notes[6]}\ntrailing"

    assert verdict(log, anchor).generations[0]["held"] == [3, 6]


def test_a_log_that_is_shorter_than_a_held_checkpoint_was_rolled_back(log):
    before = Written(key=log.key)
    for part, whole in ((before.bodies, log.bodies), (before.leaves, log.leaves), (before.privates, log.privates)):
        part += whole[:6]
    before.notes = {size: text for size, text in log.notes.items() if size <= 6}

    # The erasure went with the tail: of what it erased, the older log knows nothing.
    assert [finding["index"] for finding in verdict(before).findings] == [1]
    del before.bodies[1:], before.leaves[1:], before.privates[1:]
    before.notes.clear()
    before.seal()
    assert verdict(before).code == SELF_CONSISTENT
    report = verdict(before, log.notes[8])
    assert report.code == DIVERGED and "ROLLBACK" in texts(report, DIVERGED)[0]


def test_a_log_with_another_root_than_a_held_checkpoint_is_a_fork(log):
    other = Written(key=log.key)
    for _ in range(4):
        other.append()

    report = verdict(log, other.seal())
    assert report.code == DIVERGED and "FORK" in texts(report, DIVERGED)[0]


def test_a_held_checkpoint_of_a_generation_that_is_not_there_was_rolled_back(log):
    later = Written(number=2, key=log.key)
    later.append()

    assert verdict(log, later.seal()).code == DIVERGED


def test_a_held_checkpoint_of_another_key_is_no_evidence_and_one_of_another_log_is_ignored(log):
    stranger = Written()
    stranger.append()
    held = stranger.seal()

    assert verdict(log, held).code == INCOMPLETE
    assert verify(zipped(parts_of(log)), [], [held]).code == DIVERGED
    elsewhere = held.replace("brain.example", "other.example")
    assert verdict(log, elsewhere).code == SELF_CONSISTENT
    assert verdict(log, elsewhere, log.notes[3]).code == VERIFIED


def test_a_log_that_another_key_signed_is_invalid(log):
    assert verify(zipped(parts_of(log)), [Written().vkey], []).code == INVALID


def test_an_export_of_another_log_is_not_what_was_asked_for(log):
    asked = {"origin": "other.example/z4j/audit"}

    assert verify(zipped(parts_of(log)), [log.vkey], [log.notes[3]], **asked).code == INCOMPLETE
    assert verify(zipped(parts_of(log)), [log.vkey], [log.notes[3]], origin=LOG).code == VERIFIED


def test_entries_left_out_are_counted_and_the_rest_is_verified(log):
    report = verdict(log, log.notes[3], left_out={0, 3, 4})

    assert report.code == VERIFIED and report.generations[0]["left_out"] == 3


def test_an_entry_that_is_missing_from_a_whole_export_was_deleted(log):
    report = verdict(log, log.notes[3], left_out={3, 4}, filter={})

    assert report.code == INVALID and report.findings[0]["index"] == 3


def test_a_pruned_log_verifies_and_one_pruned_further_than_was_sealed_does_not(log):
    log.prune(4)
    log.seal()
    report = verdict(log, log.notes[3])
    assert report.code == VERIFIED and report.generations[0]["pruned"] == 4

    log.bodies[4] = log.privates[4] = None
    assert verdict(log, log.notes[3]).code == INVALID


def test_without_personal_parts_it_verifies_and_says_so(log):
    report = verdict(log, log.notes[3], personal=False)

    assert report.code == VERIFIED and any("Personal parts" in line for line in verifier.sentences(report))


def test_a_personal_part_that_is_gone_without_an_erasure_was_deleted(log):
    log.privates[2] = None

    assert verdict(log, log.notes[3]).code == INVALID


def test_an_erasure_covers_only_what_was_sealed_before_it(log):
    names = [json.loads(body)["id"] for body in log.bodies]
    log.erase(names[7])
    log.seal()
    assert verdict(log, log.notes[3]).code == VERIFIED

    name = uuid4()
    log.append("erasure", entries=[name.hex])
    log.append(name=name)
    log.privates[-1] = None
    log.seal()
    assert verdict(log, log.notes[3]).code == INVALID


def test_every_alteration_of_an_entry_is_found_where_it_stands(log):
    log.bodies[4] = log.bodies[4].replace(b"dispatch", b"request")
    report = verdict(log, log.notes[3])

    assert report.code == INVALID and report.findings[0]["index"] == 4


def test_an_altered_private_part_is_found(log):
    salt, payload = log.privates[0]
    log.privates[0] = salt, payload.replace(b"Olive", b"Bluto")

    assert verdict(log, log.notes[3]).code == INVALID


def test_searchable_copies_that_differ_and_entries_that_were_never_sealed_are_found(log):
    parts = parts_of(log)
    [first, *others] = parts["generation-1/entries.jsonl"].splitlines(keepends=True)
    altered = json.dumps(json.loads(first) | {"differs": ["actor_id"]}).encode() + b"\n"
    assert (
        verify(zipped(parts | {"generation-1/entries.jsonl": b"".join([altered, *others])}), [log.vkey], []).code
        == INVALID
    )

    waiting = json.dumps({"id": "x", "queued": True}).encode() + b"\n"
    assert verify(zipped(parts | {"unsealed.jsonl": waiting}), [log.vkey], []).code == SELF_CONSISTENT
    beside = waiting.replace(b"true", b"false")
    assert verify(zipped(parts | {"unsealed.jsonl": beside}), [log.vkey], []).code == INVALID


def test_two_logs_in_a_row_verify_together_and_the_second_says_nothing_alone(log):
    recovery = Ed25519PrivateKey.generate()
    second = Written(number=2, key=log.key, recovery=recovery)
    second.append("admin", found=log.head, last=log.head)
    held = second.seal()
    vouches = recovery.public_key().public_bytes_raw().hex()

    both = zipped(parts_of(log, second))
    assert verify(both, [log.vkey], [held], recovery=[vouches]).code == VERIFIED
    assert (
        verify(
            both, [log.vkey], [held], recovery=[Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()]
        ).code
        == INVALID
    )
    assert verify(zipped(parts_of(second)), [log.vkey], [held]).code == INVALID
    other = Written(key=log.key)
    other.append()
    other.seal()
    assert verify(zipped(parts_of(other, second)), [log.vkey], [held]).code == INVALID


def test_what_began_and_never_ended_is_told(log):
    log.append("dispatch", parent=log.append("request"))
    log.seal()
    report = verdict(log, log.notes[3])

    assert report.code == VERIFIED and [finding["index"] for finding in report.findings] == [9]


@pytest.mark.parametrize("away", [-3600, 3600])
def test_a_clock_that_was_moved_is_told(log, away):
    log.now += away * SECOND
    log.append()
    log.now = NOON + 60 * SECOND
    log.append()
    log.seal()
    report = verdict(log, log.notes[3])

    assert report.code == VERIFIED and "clock" in texts(report)[0]


def test_a_damaged_export_is_incomplete_and_says_nothing_of_the_log(log, tmp_path):
    parts = parts_of(log)
    changed = parts | {"generation-1/entries.jsonl": parts["generation-1/entries.jsonl"][:-9]}
    assert verify(zipped(changed, told=parts), [log.vkey], []).code == INCOMPLETE
    for name in parts:
        lacking = {other: part for other, part in parts.items() if other != name}
        assert verify(zipped(lacking, told=parts), [log.vkey], []).code == INCOMPLETE
    assert verify(str(tmp_path / "nothing.zip"), [log.vkey], []).code == INCOMPLETE
    (tmp_path / "text.zip").write_text("no zip")
    assert verify(str(tmp_path / "text.zip"), [log.vkey], []).code == INCOMPLETE


def test_a_key_is_read_in_every_way_it_is_written(log, tmp_path):
    (tmp_path / "key").write_text(log.vkey + "\n")
    encoded = base64.b64encode(log.public).decode()
    for text in (log.vkey, str(tmp_path / "key"), log.public.hex(), encoded):
        assert verifier.read_key(text)[1] == log.public
    with pytest.raises(ValueError):
        verifier.read_key(log.vkey.replace("+", "x+", 1))
    with pytest.raises(ValueError):
        verifier.read_key(encoded[4:])


def test_it_runs_alone_with_nothing_but_the_standard_library(log, tmp_path):
    alone = tmp_path / "z4j_audit_verify.py"
    alone.write_bytes(Path(verifier.__file__).read_bytes())
    (tmp_path / "log.zip").write_bytes(zipped(parts_of(log)).getvalue())
    (tmp_path / "held.txt").write_text(log.notes[3])
    command = [sys.executable, "-I", "-S", str(alone), "log.zip", "--key", log.vkey, "--checkpoint", "held.txt"]

    def run(*more):
        return subprocess.run(
            [*command, *more], cwd=tmp_path, capture_output=True, text=True, env={"PATH": os.environ["PATH"]}
        )

    said = run()
    assert said.returncode == VERIFIED and said.stdout.startswith("VERIFIED"), said.stderr
    told = json.loads(run("--json").stdout)
    assert (told["exit"], told["generations"][0]["size"]) == (VERIFIED, 8)
    assert run("--origin", "other.example/z4j/audit").returncode == INCOMPLETE
    assert run("--checkpoint", "nowhere.txt").returncode == INCOMPLETE


def test_random_logs_of_every_size_verify():
    for size in [1, 2, 3, 255, 256, 257]:
        log = Written()
        for _ in range(size):
            log.append()
            if random.random() < 0.05:
                log.seal()
        held = log.seal()
        assert verdict(log, held).code == VERIFIED

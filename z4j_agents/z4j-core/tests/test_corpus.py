"""What redaction has to find in examples of secrets, none of them real, and what it has to leave."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from z4j_core import redaction
from z4j_core.policy import Mode
from z4j_core.redaction import Redactor
from z4j_core.redaction.corpus import decode, read, score, tell
from z4j_core.secret_text import redact

CORPUS = Path(__file__).parent / "data" / "corpus.jsonl"
SOURCE = Path(redaction.__file__).parents[1]
#: Never told in full: what opens doors by itself.
NEVER = ("key", "url", "url_in_text", "card", "card_in_text", "card_int", "token", "token_in_text")


def test_of_what_must_not_leave_nothing_does_and_the_rest_stays_readable():
    found = score(Redactor(Mode.REDACT), read(CORPUS))

    assert found["recall"] >= 0.99, found["rows"]
    assert {name: found["by_family"][name]["full_leaks"] for name in NEVER} == dict.fromkeys(NEVER, 0)
    assert found["context_kept"] >= 0.95, found["rows"]
    assert found["negatives_intact"] >= 0.97, found["rows"]


def test_shapes_tell_none_of_it():
    found = score(Redactor(Mode.SHAPES), read(CORPUS))

    assert (found["recall"], found["full_leaks"], found["partial"]) == (1.0, 0, 0)


@pytest.mark.parametrize("mode", [Mode.REDACT, Mode.SHAPES])
def test_a_second_look_finds_nothing_in_what_was_told(mode):
    redactor = Redactor(mode)
    for row in read(CORPUS):
        told = tell(redactor, decode(row["data"]), row["channel"], row["signature"])
        assert redact(told) == told


def test_the_score_sees_what_leaks(tmp_path):
    rows = [
        {"data": {"note": "the quick brown fox"}, "secrets": ["the quick"], "label": 1, "keep": ["fox", "hen"]},
        {"data": {"note": "a long enough one"}, "secrets": ["is a long enough one"], "label": 1, "keep": []},
        {"data": {"password": "hidden well"}, "secrets": ["hidden well"], "label": 1, "keep": []},
        {"data": {"password": "kept"}, "secrets": [], "label": 0, "keep": ["kept"]},
    ]
    usual = {"family": "key", "channel": "kwargs", "signature": None}
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(json.dumps(usual | row | {"id": f"row-{at}"}) for at, row in enumerate(rows)))

    found = score(Redactor(Mode.REDACT), read(file))

    assert (found["recall"], found["full_leaks"], found["partial"]) == (0.3333, 1, 1)
    assert (found["context_kept"], found["negatives_intact"]) == (0.5, 0.0)
    assert found["rows"] == {"row-0": "full", "row-1": "partial", "row-3": "lost"}


@pytest.mark.parametrize("mode", [Mode.REDACT, Mode.SHAPES])
def test_any_file_is_scored_with_the_standard_library_alone(mode):
    command = [sys.executable, "-S", "-m", "z4j_core.redaction", "corpus", CORPUS, "--mode", mode]
    printed = subprocess.run(command, env={"PYTHONPATH": str(SOURCE.parent)}, capture_output=True, check=True).stdout  # noqa: S603

    told = json.loads(printed)
    assert told.keys() == {"recall", "full_leaks", "partial", "context_kept", "negatives_intact", "by_family"}
    assert told == {name: what for name, what in score(Redactor(mode), read(CORPUS)).items() if name != "rows"}


def test_what_is_no_example_is_refused_by_its_line(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text('\n{"id": 1}\n')
    with pytest.raises(ValueError, match="line 2: an example has"):
        list(read(file))
    file.write_text("{")
    with pytest.raises(ValueError, match="line 1"):
        list(read(file))


def test_no_example_is_written_into_the_code():
    source = "\n".join(path.read_text() for path in SOURCE.rglob("*.py"))

    assert [row["id"] for row in read(CORPUS) for secret in row["secrets"] if secret in source] == []

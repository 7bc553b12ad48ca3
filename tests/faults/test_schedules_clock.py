"""F8: the clock of housekeeping jumps, and clocks of a zone are changed. Each due time is fired once all the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.brain import Brain
from tests.store import ROOT, Store

FIXED, WILD = "fixed", "wild"
Turn = Callable[..., list[list[Any]]]


@pytest.fixture
def turn(store: Store, tmp_path: Path) -> Iterator[Turn]:
    """A turn of housekeeping at a time of our choice, UTC: what has been fired by then."""
    if shutil.which("faketime") is None:
        pytest.skip("faketime is not installed")
    brain = Brain(store, tmp_path / "brain")
    environment = brain.environment() | {"TZ": "UTC", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def turn(at: str, *words: str) -> list[list[Any]]:
        command = ["faketime", "-f", f"@{at}", sys.executable, "-W", "ignore", "-m", "tests.faults.clock", *words]
        done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, check=True)
        return list(json.loads(done.stdout))

    yield turn
    brain.close()


def test_what_clocks_skip_is_fired_once_and_a_clock_that_is_set_back_fires_nothing_twice(turn):
    assert turn("2027-03-28 00:59:00", "put") == []
    once = [[FIXED, "03-28 01:00", "pending"]]
    assert turn("2027-03-28 01:00:05") == once
    assert turn("2027-03-28 00:58:00") == once  # set back
    assert turn("2027-03-28 01:00:20") == once
    # Set ahead by more than a day: what came due meanwhile was missed, and is said to be.
    assert turn("2027-03-29 09:00:00") == [
        *once,
        [WILD, "03-29 00:00", "skipped"],
        [FIXED, "03-29 00:30", "skipped"],
    ]


def test_what_comes_twice_is_fired_the_first_time_or_both_as_its_plan_says(turn):
    assert turn("2027-10-30 23:59:00", "put") == []
    turn("2027-10-31 00:00:05")
    turn("2027-10-31 00:30:05")
    turn("2027-10-31 01:00:05")
    assert turn("2027-10-31 01:30:05") == [
        [WILD, "10-31 00:00", "pending"],
        [FIXED, "10-31 00:30", "pending"],
        [WILD, "10-31 00:30", "pending"],
        [WILD, "10-31 01:00", "pending"],
        [WILD, "10-31 01:30", "pending"],
    ]

"""The room where batches wait is shared fairly: whoever fills it is asked to come later, and others still get in."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from z4j_core import wire

from tests import wire as sent
from tests.gateway.conftest import Caller
from z4j_brain.gateway.admission import Admission, Full, Greedy


def test_a_key_gets_its_share_and_no_more_while_another_always_finds_room():
    room = Admission(batches=12, size=1000)
    with ExitStack() as held:
        for _ in range(6):
            held.enter_context(room.admit("busy", 1))
        with pytest.raises(Greedy):
            held.enter_context(room.admit("busy", 1))
        for _ in range(4):
            held.enter_context(room.admit("other", 1))
        with pytest.raises(Greedy):
            held.enter_context(room.admit("other", 1))
        held.enter_context(room.admit("third", 1))
        held.enter_context(room.admit("fourth", 1))
        with pytest.raises(Full):
            held.enter_context(room.admit("fifth", 1))
    assert len(room) == 0


def test_a_batch_that_unpacks_to_more_than_the_share_is_refused_and_leaves_nothing_behind():
    room = Admission(batches=100, size=1000)
    with room.admit("other", 500), pytest.raises(Greedy), room.admit("bomb", 10) as place:
        place.grow(400)
    with pytest.raises(Full), room.admit("bomb", 10) as place:
        place.grow(2000)
    assert len(room) == 0
    with room.admit("bomb", 900):
        pass


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 300), st.integers(0, 300), st.booleans())))
def test_what_is_taken_is_given_back_on_every_path(visits):
    room = Admission(batches=4, size=1000)
    with ExitStack() as held:
        for key, size, more, stays in visits:
            with contextlib.suppress(Full, Greedy), ExitStack() as visit:
                visit.enter_context(room.admit(key, size)).grow(more)
                if stays:
                    held.push(visit.pop_all())
    for key in "abcd":
        with room.admit(key, 1000):
            assert len(room) == 1


def test_a_key_that_sends_more_than_is_taken_keeps_nobody_else_out(brain):
    busy, other = Caller(brain), Caller(brain, "production", "island")

    def flood(number: int) -> tuple[int, str]:
        events = [sent.event(seq, task_id=f"flood-{number}-{seq}", name="x" * 100) for seq in range(1, 301)]
        body = sent.zipped(sent.batch(*events))
        headers = busy.headers | {"Content-Encoding": "gzip"}
        status, answered, _ = brain.request("POST", wire.EVENTS_PATH, body, headers=headers)
        return status, answered.get("Retry-After", "")

    with ThreadPoolExecutor(120) as pool:
        floods = [pool.submit(flood, number) for number in range(240)]
        alone = [other.post(sent.batch(sent.event(1), boot=uuid.uuid4()))[0] for _ in range(10)]
        seen = Counter(one.result() for one in floods)

    assert alone == [200] * 10
    assert set(seen) == {(200, ""), (429, "1")}
    assert json.loads(brain.request("GET", "/readyz")[2]) == {"status": "ready"}

"""A row is the fold of its task's events, however they arrive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from z4j_core.fold import fold, key_text, order_key
from z4j_core.testing.traces import BOOT, GOLDEN, SECOND, START, Trace
from z4j_core.wire import RANK, Event, Kind

traces = st.sampled_from(GOLDEN)
boots = st.sampled_from([BOOT, "0197a3b2-0000-7000-8000-000000000002", "a"])
moments = st.integers(0, 10**17)
any_event = st.fixed_dictionaries(
    {"kind": st.sampled_from([*Kind, "task.unheard_of"]), "ts": moments, "seq": st.integers(1, 10**9)},
    optional={
        "attempt": st.integers(0, 5), "run": st.one_of(st.none(), moments), "eta": moments, "name": st.text(max_size=3),
        "args": st.sampled_from([None, "", "(1,)"]), "priority": st.sampled_from([None, 0, 9]),
        "result": st.text(max_size=3), "runtime_ms": st.sampled_from([None, 0, 1.5]),
        "error": st.sampled_from([None, {}, {"type": "E", "message": "m"}]),
        "source": st.sampled_from(["live", "reconcile"]), "truncated": st.lists(st.sampled_from(["args", "result"])),
    },
)  # fmt: skip


def keyed(events, boot=BOOT):
    return sorted(((order_key(event, boot), event) for event in events), key=lambda pair: pair[0])


@pytest.mark.parametrize("trace", GOLDEN, ids=lambda trace: trace.name)
def test_a_golden_trace_folds_to_its_row(trace: Trace):
    row = fold(None, trace.keyed())
    assert {name: row[name] for name in trace.row} == trace.row


@given(trace=traces, data=st.data())
def test_any_order_any_split_and_duplicates_give_the_same_row(trace, data):
    arrived = data.draw(st.permutations(trace.events + trace.events[:2]))
    cut = data.draw(st.integers(0, len(arrived)))
    events = keyed(arrived)
    assert fold(fold(None, events[:cut]), events[cut:]) == fold(None, trace.keyed())


@given(events=st.lists(any_event, max_size=8), cut=st.integers(0, 8))
def test_folding_in_two_steps_is_folding_in_one(events, cut):
    events = keyed(events)
    assert fold(fold(None, events[:cut]), events[cut:]) == fold(None, events)


@given(events=st.lists(any_event, min_size=1, max_size=8))
def test_folding_many_at_once_is_folding_one_at_a_time(events):
    row = None
    for pair in keyed(events):
        row = fold(row, [pair])
    assert fold(None, keyed(events)) == row


@pytest.mark.parametrize(("field", "emptied", "last"), [("name", "", "b"), ("args", None, "b"), ("priority", None, 0)])
def test_what_an_event_leaves_empty_stays_as_it_was_told_last(field, emptied, last):
    told = [
        Event(seq=seq, kind="task.received", ts=START + seq) | {field: value}
        for seq, value in enumerate((7, last, emptied))
    ]
    assert fold(None, keyed(told))[field] == last


@pytest.mark.parametrize("number", [-1, True, 1.5, "1", None, 10**30])
def test_a_number_that_is_none_has_its_place_all_the_same(number):
    key = order_key({"kind": "task.started", "ts": number, "seq": number, "attempt": number, "run": number}, BOOT)
    assert all(isinstance(part, int) and 0 <= part <= 10**18 for part in (*key[:5], key[6]))


@given(one=any_event, other=any_event, boot=boots, other_boot=boots)
def test_keys_sort_alike_as_tuples_and_as_text(one, other, boot, other_boot):
    left, right = order_key(one, boot), order_key(other, other_boot)
    assert (left < right) == (key_text(left) < key_text(right))


@given(row_events=st.lists(any_event, min_size=1, max_size=5))
def test_the_row_given_is_not_changed(row_events):
    row = fold(None, [])
    before = dict(row, truncated=list(row["truncated"]))
    fold(row, keyed(row_events))
    assert row == before


def test_a_late_event_does_not_change_the_state():
    started = Event(seq=1, kind="task.started", ts=START, run=START)
    ended = Event(seq=2, kind="task.succeeded", ts=START + SECOND, run=START)
    late = Event(seq=3, kind="task.received", ts=START + 5 * SECOND, queue="orders")
    row = fold(None, keyed([started, ended, late]))
    assert (row["state"], row["queue"]) == ("succeeded", "orders")


def test_an_older_run_does_not_replace_the_end_of_a_newer_one():
    newer = Event(seq=1, kind="task.succeeded", ts=START, run=START)
    older = Event(seq=2, kind="task.failed", ts=START + SECOND, run=START - SECOND)
    assert fold(None, keyed([newer, older]))["state"] == "succeeded"


def test_an_unknown_kind_changes_nothing_but_when_the_task_was_last_heard_of():
    row = fold(None, keyed([Event(seq=1, kind="task.started", ts=START, run=START)]))
    later = fold(row, keyed([Event(seq=2, kind="task.reflected", ts=START + SECOND, run=START + SECOND)]))
    assert later["state"] == "started"
    assert later["last_at"] == START + SECOND


def test_every_state_has_a_rank():
    assert set(RANK.values()) == {5, 10, 20, 30, 35, 100}

"""Whatever a stranger sends, the parser answers with a batch or with a 4xx; one bad event never costs the others."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from z4j_core import wire

from tests import wire as sent
from tests.gateway.corpus import CLEANED, POISON, REFUSED, around
from z4j_brain.gateway import parser
from z4j_brain.lib.batch import ParsedBatch
from z4j_brain.lib.problem import Problem


@pytest.mark.parametrize("name", POISON)
def test_a_poison_event_is_turned_away_and_the_rest_of_the_batch_taken(name):
    text, code = POISON[name]

    batch = parser.parse(around(text))

    assert [one.seq for one in batch.events] == [1, 3]
    assert [one.code for one in batch.rejected] == [code]
    assert batch.rejected[0].seq in (2, -1)


@pytest.mark.parametrize("name", CLEANED)
def test_characters_that_lie_are_made_visible(name):
    text, shown = CLEANED[name]

    batch = parser.parse(around(text))

    assert not batch.rejected
    assert batch.events[1].event["name"] == shown
    assert json.loads(batch.events[1].text)["name"] == shown


@pytest.mark.parametrize("name", REFUSED)
def test_a_body_that_cannot_be_read_is_refused(name):
    body, encoding, status, code = REFUSED[name]

    with pytest.raises(Problem) as caught:
        parser.parse(parser.unzip(body, encoding))

    assert (caught.value.status, caught.value.code) == (status, code)


def test_a_batch_is_read_alike_however_its_json_is_written():
    body = sent.batch(sent.event(1, name="größer", data={"a": [1, 2.5, None]}), sent.event(2, "task.started", run=7))

    ways = [json.dumps(body), json.dumps(body, indent=2), json.dumps(body, ensure_ascii=False), sent.raw(body).decode()]

    assert len({str(_shown(parser.parse(way.encode()))) for way in ways}) == 1


def test_bidi_overrides_in_keys_are_made_visible_too():
    batch = parser.parse(sent.raw(sent.batch(sent.event(1, data={"a\u202eb": {"\x00": "x"}}))))

    assert batch.events[0].event["data"] == {"a\\u202eb": {"\\u0000": "x"}}


def test_unknown_fields_and_kinds_are_kept():
    batch = parser.parse(
        sent.raw(sent.batch(sent.event(1, "task.dreamt", mood="blue"), {"seq": 2, "kind": "x", "ts": 0}))
    )

    assert [one.event["kind"] for one in batch.events] == ["task.dreamt", "x"]
    assert batch.events[0].event["mood"] == "blue"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    "seq",
    "kind",
    "ts",
    "engine",
    "task_id",
    "name",
    "attempt",
    "run",
    "args",
    "error",
    "data",
    "truncated",
    "eta",
)
EVENTS = JSON | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=6), JSON, max_size=8)


@given(events=st.lists(EVENTS, max_size=6), at=st.integers(0, 6), ascii_only=st.booleans())
@settings(max_examples=300)
def test_any_json_is_answered_and_a_good_event_among_it_survives(events, at, ascii_only):
    good = sent.event(10**6, name="good")
    body = sent.batch(good) | {"events": [*events[:at], good, *events[at:]]}
    try:
        raw = json.dumps(body, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    except RecursionError:
        return

    batch = parser.parse(raw)

    assert len(batch.events) + len(batch.rejected) == len(events) + 1
    assert good in [one.event for one in batch.events]
    assert all(orjson.loads(one.text) == one.event for one in batch.events)


@given(st.binary(max_size=300) | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(max_examples=300)
def test_any_bytes_are_refused_with_a_4xx(raw):
    for body, encoding in ((raw, ""), (raw, "gzip"), (b'{"events":[' + raw + b"]}", "")):
        with pytest.raises(Problem) as caught:
            parser.parse(parser.unzip(body, encoding))
        assert 400 <= caught.value.status < 500


@given(st.data())
@settings(max_examples=200)
def test_a_damaged_batch_is_answered(data):
    raw = bytearray(sent.raw(sent.batch(sent.event(1, name="ü"), sent.event(2, data={"a": [1]}))))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        parser.parse(bytes(raw))
    except Problem as problem:
        assert 400 <= problem.status < 500


@given(JSON)
def test_any_results_are_answered(value):
    for body in (value, {"v": 1, "boot": str(sent.BOOT), "command": str(sent.BOOT), "fence": 1, "results": [value]}):
        try:
            parser.parse_results(json.dumps(body).encode())
        except Problem as problem:
            assert 400 <= problem.status < 500


TEXTS = (
    st.sampled_from(("", "a", "größer…", "x" * 33, "x" * 256, "x" * 513, "\x7f", "\x9b", "\u202e", "\x00", '":"'))
    | st.text()
)
NUMBERS = st.sampled_from((0, -1, 2**31, 10**6 + 1, 2**63 - 1, 2**63, 1.5, 1e22, True, None))
VALUES = TEXTS | NUMBERS | JSON | st.just({"type": "E", "message": "m"}) | st.just(["args"])
TOLD = st.builds(
    lambda seq, kind, more: sent.event(seq, kind) | more,
    st.integers(1, 9),
    st.sampled_from(
        ("task.received", "task.progress", "task.dreamt", "worker.online", "queue.snapshot", "agent.online")
    ),
    st.dictionaries(st.sampled_from((*wire.Event.__annotations__, "other")), VALUES, max_size=3),
)


@given(events=st.lists(TOLD, max_size=3), twice=st.sampled_from(("", '"name":"a",', '"v":1,')))
@settings(max_examples=500)
def test_the_fast_way_and_the_careful_way_take_a_batch_alike(events, twice):
    text = json.dumps(sent.batch(*events, first=1, boot=sent.BOOT), separators=(",", ":"), ensure_ascii=False)
    raw = text.replace('"v":1', f'{twice}"v":1', 1).encode("utf-8", "surrogatepass")

    if (fast := parser._at_once(raw)) is not None:
        assert (_shown(fast), fast.rejected) == (_shown(parser._carefully(raw)), [])


def test_what_agents_send_all_day_goes_the_fast_way():
    told = {"name": "größer", "args": "('a\n', \"b\")", "run": None, "error": {"type": "E", "message": "m"}}
    tasks = [sent.event(seq, f"task.{kind}", **told) for seq, kind in enumerate(("received", "started", "failed"), 2)]
    beat = {"seq": 5, "kind": "worker.heartbeat", "ts": 1, "engine": "e", "worker": "w", "data": {"running": [1, 2]}}

    batch = parser._at_once(sent.raw(sent.batch(sent.online(1), *tasks, beat)))

    assert batch is not None
    assert [one.seq for one in batch.events] == [1, 2, 3, 4, 5]


def _shown(batch: ParsedBatch) -> list[object]:
    return [(one.seq, one.event, one.text) for one in batch.events]

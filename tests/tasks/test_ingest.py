"""Events become rows: the same rows in any order, in any split, however often they are sent."""

from __future__ import annotations

import itertools
import random
import uuid
from typing import Any

import pytest
from django.db import OperationalError
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from z4j_core import fold as folding

from tests import wire as sent
from tests.cast import Cast
from tests.issues import counting as issues
from tests.stats.counting import counted, rollups
from z4j_brain.agents.models import Agent, AgentKey, Batch, Quarantined, Suspect
from z4j_brain.fleet.models import Worker
from z4j_brain.lib.problem import Problem
from z4j_brain.tasks import failing
from z4j_brain.tasks import ingest as ingesting
from z4j_brain.tasks import rows as storing
from z4j_brain.tasks.ingest import Work, ingest, ingest_together
from z4j_brain.tasks.models import Event, Task

#: How batches are taken: each by itself, each event by itself, or several batches at once.
WAYS = ("batches", "isolated", "together")
OTHER = uuid.UUID("01900000-0000-7000-8000-000000000002")
FIRSTS = itertools.count(1000)
#: The last is one this brain does not know.
KINDS = [
    "enqueued",
    "received",
    "started",
    "progress",
    "succeeded",
    "failed",
    "retrying",
    "cancelled",
    "lost",
    "dreamt",
]


def give(key: AgentKey, *events: dict[str, Any], boot: uuid.UUID = sent.BOOT, tries: int = 1, **more: Any) -> Any:
    return ingest(key, sent.parsed(*events, boot=boot, **more), tries)


@pytest.fixture
def key(cast: Cast) -> AgentKey:
    return cast.agent_key()


def rows(environment_id: int | None = None) -> list[dict[str, Any]]:
    """Every task, or those of one environment, without what only this database knows."""
    tasks = Task.objects.all() if environment_id is None else Task.objects.filter(environment=environment_id)
    return [
        {name: value for name, value in row.items() if name not in ("id", "environment_id")}
        for row in tasks.order_by("engine", "task_id").values()
    ]


@st.composite
def histories(draw: Any) -> list[tuple[uuid.UUID, dict[str, Any]]]:
    """Events of two agents about a few tasks, each with its sequence number and a clock of its own."""
    told = []
    for boot in (sent.BOOT, OTHER):
        for seq in range(1, draw(st.integers(1, 9))):
            event = sent.event(seq, f"task.{draw(st.sampled_from(KINDS))}", f"t{draw(st.integers(1, 3))}")
            event["ts"] = sent.START + draw(st.integers(0, 5)) * 1_000_000
            event["attempt"] = draw(st.integers(0, 2))
            optional = {
                "run": st.none() | st.just(sent.START),
                "name": st.sampled_from(("", "shop.pay")),
                "args": st.sampled_from(("(1,)", "('…',)")),
                "result": st.just("'ok'"),
                "error": st.just({"type": "ValueError", "message": "no"}),
                "runtime_ms": st.sampled_from((1, 2.5)),
                "eta": st.just(sent.START + 9_000_000),
                "truncated": st.just(["args"]),
                "source": st.just("reconcile"),
            }
            event |= {field: draw(value) for field, value in optional.items() if draw(st.booleans())}
            told.append((boot, event))
    return told


class AnyOrder(TestCase):
    @given(history=histories(), order=st.randoms(use_true_random=False), way=st.sampled_from(WAYS))
    @settings(max_examples=90)
    def test_events_in_any_order_duplicated_and_split_anyhow_give_the_same_rows_and_statistics(
        self, history, order, way
    ):
        key = Cast.create().agent_key()
        again = history + order.sample(history, len(history) // 2)
        order.shuffle(again)

        if way == "together":
            _send_together(key, _split(again, order))
        for part in _split(again, order) if way != "together" else ():
            _send(key, part, order, isolated=way == "isolated")

        assert rows() == expected(history)
        assert rollups() == counted()
        assert issues.stored() == issues.counted()
        assert Event.objects.count() == len(history)
        assert all(len(agent.received) == 1 for agent in Agent.objects.all())


def _split(events: list[Any], order: random.Random) -> list[list[Any]]:
    cuts = sorted(order.choices(range(len(events) + 1), k=order.randint(0, 4)))
    return [events[start:end] for start, end in zip([0, *cuts], [*cuts, len(events)], strict=True)]


def _send(key: AgentKey, part: list[Any], order: random.Random, isolated: bool) -> None:
    for boot in (sent.BOOT, OTHER):
        if mine := [event for whose, event in part if whose == boot]:
            batch = sent.parsed(*mine, boot=boot, first=next(FIRSTS))
            ingesting._one_by_one(key, batch) if isolated else ingest(key, batch, order.randint(1, 3))


def _send_together(key: AgentKey, parts: list[list[Any]]) -> None:
    """All in one transaction, each batch for itself."""
    works = []
    for part in parts:
        for boot in (sent.BOOT, OTHER):
            if mine := [event for whose, event in part if whose == boot]:
                works.append(Work(key, sent.parsed(*mine, boot=boot, first=next(FIRSTS))))
    answers = ingest_together(works)
    assert all(
        answer["accepted"] + len(answer["duplicates"]) == len(work.batch.events)
        for answer, work in zip(answers, works, strict=True)
    )


def expected(history: list[tuple[uuid.UUID, dict[str, Any]]]) -> list[dict[str, Any]]:
    """What `fold` makes of each task's events in their order, written by one batch of one event at a time."""
    by_task: dict[str, list[Any]] = {}
    for boot, event in history:
        by_task.setdefault(event["task_id"], []).append((folding.order_key(event, str(boot)), event))
    made = []
    for task_id in sorted(by_task):
        row = failing.mark(folding.fold(None, sorted(by_task[task_id], key=lambda keyed: keyed[0])))
        stored = {name: _moment(name, value) for name, value in row.items()}
        identity = {"engine": "celery", "task_id": task_id, "cancel_requested_at": None, "cancel_requested_by": ""}
        made.append(stored | identity)
    columns = [field.attname for field in Task._meta.fields if field.attname not in ("id", "environment_id")]
    return [{name: row[name] for name in columns} for row in made]


def _moment(name: str, value: Any) -> Any:
    times = {field.name for field in Task._meta.fields if field.get_internal_type() == "DateTimeField"}
    return Task._meta.get_field(name).to_python(_iso(value)) if name in times and value is not None else value


def _iso(micros: int) -> str:
    return (storing.bulk.EPOCH + storing.bulk._MICROSECOND * micros).isoformat()


def test_batches_taken_together_get_the_answers_they_would_get_alone(key):
    one, again = (sent.parsed(sent.event(1), boot=sent.BOOT) for _ in range(2))
    other = sent.parsed(sent.event(1, task_id="t2"), boot=OTHER)
    conflicting = sent.parsed(sent.event(1, "task.failed"), boot=sent.BOOT)

    first, second, third, fourth = ingest_together([Work(key, batch) for batch in (one, other, conflicting, again)])

    assert (first["accepted"], second["accepted"]) == (1, 1)
    assert (third.status, third.code) == (409, "id_conflict")
    assert fourth == first
    assert Event.objects.count() == 2


def test_a_batch_that_breaks_a_group_does_not_take_the_others_along(key, monkeypatch):
    fold = storing.folding.fold
    monkeypatch.setattr(storing.folding, "fold", lambda row, keyed: fold(row, _unless_poison(keyed)))
    good, bad = sent.parsed(sent.event(1)), sent.parsed(sent.event(1, name="poison"), sent.event(2), boot=OTHER)

    answers = ingest_together([Work(key, good), Work(key, bad)])

    assert [answer["accepted"] for answer in answers] == [1, 1]
    assert Quarantined.objects.get().code == "poison"


def _unless_poison(keyed: Any) -> Any:
    for _, event in keyed:
        if event.get("name") == "poison":
            raise ValueError("poison")
    return keyed


def test_a_batch_says_what_became_of_each_event(key):
    answer = give(key, sent.event(1), sent.event(2, "task.started"), sent.event(2, "task.started"), {"seq": 3}, first=1)

    assert (answer["accepted"], answer["duplicates"]) == (2, [2])
    assert answer["rejected"] == [{"seq": 3, "code": "field"}]
    assert Quarantined.objects.get().code == "field"


def test_the_repeat_of_a_batch_gets_the_same_answer(key):
    events = [sent.event(1), {"seq": 2}, sent.event(1)]
    first = give(key, *events)

    assert give(key, *events) == first
    assert give(key, *events, tries=7) == first
    assert (Event.objects.count(), Batch.objects.count(), Quarantined.objects.count()) == (1, 1, 1)
    assert Suspect.objects.count() == 0


def test_other_content_in_the_place_of_a_batch_is_a_conflict(key):
    give(key, sent.event(1))

    with pytest.raises(Problem) as caught:
        give(key, sent.event(1, name="other"))

    assert (caught.value.status, caught.value.code) == (409, "id_conflict")
    assert Task.objects.get().name == ""


def test_an_event_in_another_batch_is_a_duplicate_even_when_it_was_turned_away(key):
    give(key, sent.event(1), {"seq": 2}, sent.event(3))

    answer = give(key, sent.event(3), sent.event(4), {"seq": 2}, first=3)

    assert (answer["accepted"], sorted(answer["duplicates"]), answer["rejected"]) == (1, [2, 3], [])


def test_a_key_writes_to_its_own_environment_only(cast):
    give(cast.agent_key("harbor", "production"), sent.event(1, name="ours"))
    give(cast.agent_key("island", "production"), sent.event(1, name="theirs"))

    found = Task.objects.values_list("environment__project__slug", "name").order_by("environment__project__slug")
    assert list(found) == [("harbor", "ours"), ("island", "theirs")]
    assert Agent.objects.count() == 2


def test_a_kind_this_brain_does_not_know_is_kept(key):
    give(key, sent.event(1, "task.dreamt"), {"seq": 2, "kind": "queue.sung", "ts": 5, "data": {"verse": 2}})

    assert list(Event.objects.order_by("seq").values_list("kind", "task__task_id")) == [
        ("task.dreamt", "t1"),
        ("queue.sung", None),
    ]


def test_a_batch_that_comes_again_after_the_brain_was_merely_away_is_taken_whole(key, monkeypatch):
    monkeypatch.setattr(ingesting, "_one_by_one", None)

    assert give(key, sent.event(1), sent.event(2), tries=50)["accepted"] == 2
    assert Suspect.objects.count() == 0


def test_an_agent_and_its_worker_introduce_themselves(key):
    worker = {"engine": "celery", "worker": "celery@host-1", "ts": sent.START}
    facts = {"pid": 9, "started": sent.START, "queues": ["mail"], "concurrency": {"kind": "prefork", "size": 2}}
    give(key, sent.online(1), worker | {"seq": 2, "kind": "worker.online", "data": facts})

    agent, found = Agent.objects.get(), Worker.objects.get()
    assert (agent.allowed, agent.vault, agent.state) == (["retry", "cancel"], "v1", "online")
    assert agent.engines[0]["capabilities"] == sent.CAPABILITIES
    assert (found.agent, found.queues, found.state) == (agent, ["mail"], "online")

    give(key, worker | {"seq": 3, "kind": "worker.offline"}, {"seq": 4, "kind": "agent.offline", "ts": 1})
    assert (Worker.objects.get().state, Agent.objects.get().state) == ("offline", "offline")


def test_the_last_words_of_a_replaced_worker_process_change_nothing(key):
    worker = {"seq": 1, "engine": "celery", "worker": "w", "ts": 1}
    give(key, worker | {"kind": "worker.online", "data": {"pid": 1, "started": sent.START}})
    give(key, worker | {"kind": "worker.online", "data": {"pid": 2, "started": sent.START + 5}}, boot=OTHER)

    give(key, worker | {"seq": 2, "kind": "worker.offline"})

    assert (Worker.objects.get().pid, Worker.objects.get().state) == (2, "online")


@pytest.mark.parametrize("junk", [None, 5, "x", [], [[]], {"name": 5}, [{"name": 5, "capabilities": ["retry"]}]])
def test_nonsense_in_what_an_agent_says_of_itself_is_left_out(key, junk):
    says = {"engines": junk, "versions": junk, "allowed": junk, "counters": junk, "vault": junk}
    says |= {"refused": junk, "problems": junk, "redaction": junk, "clock": junk}
    facts = {"queues": junk, "concurrency": junk, "running": junk, "pid": junk, "started": junk, "host": junk}
    facts |= {"code": junk, "rss": junk, "paused": junk}
    counts = dict.fromkeys(("depth", "delayed", "in_flight", "dead", "consumers", "oldest", "exact"), junk)
    answer = give(
        key,
        {"seq": 1, "kind": "agent.online", "ts": 1, "data": says},
        {"seq": 2, "kind": "agent.heartbeat", "ts": 1, "data": says},
        {"seq": 3, "kind": "worker.online", "ts": 1, "engine": "celery", "worker": "w", "data": facts},
        {"seq": 4, "kind": "queue.snapshot", "ts": 1, "engine": "celery", "queue": "q", "data": counts},
    )

    assert answer["accepted"] == 4


class Poison(Exception):
    """What a fault in the ingest looks like."""


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fold cannot take tasks named poison."""
    whole = folding.fold

    def fold(row: Any, events: Any) -> Any:
        events = list(events)
        if any(event.get("name") == "poison" for _, event in events):
            raise Poison
        return whole(row, events)

    monkeypatch.setattr(storing.folding, "fold", fold)


def test_an_event_that_breaks_the_ingest_is_set_aside_and_the_rest_flows(key, fault):
    answer = give(key, sent.event(1), sent.event(2, task_id="t2", name="poison"), sent.event(3, "task.started"))

    assert (answer["accepted"], answer["rejected"]) == (2, [{"seq": 2, "code": "poison"}])
    assert Task.objects.get().state == "started"
    assert (Quarantined.objects.get().seq, Suspect.objects.count()) == (2, 0)


def test_trouble_of_the_database_is_raised_and_blames_no_event(key, monkeypatch):
    def refuse(*args: Any) -> None:
        raise OperationalError("the disk is on holiday")

    monkeypatch.setattr(storing.bulk, "append", refuse)
    for tries in (1, 3, 4, 5, 6, 7):
        with pytest.raises(OperationalError):
            give(key, sent.event(1), tries=tries)

    monkeypatch.undo()
    assert give(key, sent.event(1), tries=8)["accepted"] == 1
    assert (Quarantined.objects.count(), Suspect.objects.count()) == (0, 0)


def test_a_task_whose_events_were_pruned_is_not_rebuilt_from_those_that_are_left(key):
    old = sent.now() - 40 * 86_400_000_000
    give(key, sent.event(1, "task.started", run=old, ts=old), boot=sent.BOOT)
    give(key, sent.event(2, "task.succeeded", run=old, ts=old + 9, result="'ok'"), boot=sent.BOOT)
    Event.objects.all().delete()

    give(key, sent.event(3, "task.progress", run=old, ts=old + 5, name="late"), boot=sent.BOOT)

    task = Task.objects.get()
    assert (task.state, task.result, task.name) == ("succeeded", "'ok'", "")
    assert rollups() == counted()

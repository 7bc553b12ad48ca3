"""What is Celery's own: ends without a signal, canvas, pools, the result backend, the `celery` command."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager

import pytest
from celery import chain, chord, group
from celery_rig import HERE, CeleryRig
from z4j_celery import originals
from z4j_core.engine import Target
from z4j_core.testing.engines import EngineSuite
from z4j_core.testing.recording import wait_for
from z4j_core.wire import Outcome, State

suite = EngineSuite()


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with CeleryRig(tmp_path_factory.mktemp("rig"), result_extended=True) as rig:
        yield rig


@pytest.mark.parametrize(
    ("task", "state", "reason"),
    [
        ("overtime", State.FAILED, "timeout"),
        ("soft", State.FAILED, "timeout"),
        ("reject", State.REJECTED, ""),
        ("ignore", State.SKIPPED, ""),
        ("die", State.FAILED, "worker_lost"),
    ],
)
def test_each_way_to_end_is_told_once(rig, task, state, reason):
    task_id = rig.send(task)
    row = suite.becomes(rig, task_id, state)
    assert row["error_reason"] == reason
    suite.becomes(rig, rig.send("ok", 1), State.SUCCEEDED)
    kinds = [event["kind"] for event in rig.records.events(task_id)]
    assert sorted(kinds) == sorted(["task.enqueued", "task.received", "task.started", f"task.{state}"])


@pytest.mark.parametrize(
    ("sent", "kinds"),
    [
        ({"task": "ok", "args": (1,), "expires": -1}, ["enqueued", "expired"]),
        ({"task": "not_yet", "args": ()}, ["enqueued", "failed"]),
        ({"task": "ok", "args": (1,), "delay": 5}, ["enqueued", "received", "cancelled"]),
    ],
    ids=["expired", "unknown", "revoked"],
)
def test_an_end_before_the_start_is_told_once(rig, sent, kinds):
    sent = dict(sent)
    task_id = rig.send(sent.pop("task"), *sent.pop("args"), **sent)
    if "cancelled" in kinds:
        wait_for(lambda: rig.records.events(task_id, "task.received"))  # before, a worker drops it unseen
        rig.records.ask("cancel", Target(task_id, f"revoke-{task_id}", 1))
    suite.becomes(rig, task_id, State(kinds[-1]))
    suite.becomes(rig, rig.send("ok", 1), State.SUCCEEDED)
    told = [event["kind"] for event in rig.records.events(task_id)]
    assert sorted(told) == sorted(f"task.{kind}" for kind in kinds)


def test_a_hard_time_limit_says_so_in_words_of_the_engine(rig):
    row = suite.becomes(rig, rig.send("overtime"), State.FAILED)
    assert row["error_message"] == "The hard time limit of 1 s was exceeded."


def test_a_retried_attempt_is_not_its_own_parent(rig):
    task_id = rig.send("flaky", 1)
    row = suite.becomes(rig, task_id, State.SUCCEEDED)
    assert (row["parent_id"], row["root_id"]) == ("", task_id)


def test_a_chain_knows_its_parents(rig):
    shop = rig.shop
    with producing(rig):
        last = chain(shop.count.s("link"), shop.ok.si(2)).apply_async()
    row = suite.becomes(rig, last.id, State.SUCCEEDED)
    assert row["parent_id"] == row["root_id"] == last.parent.id


def test_a_task_tells_the_trace_that_its_headers_name(rig):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with producing(rig):
        sent = rig.shop.ok.apply_async((1,), headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    row = suite.becomes(rig, sent.id, State.SUCCEEDED)
    assert row["trace_id"] == trace
    assert {event.get("trace_id") for event in rig.records.events(sent.id)} == {trace}


def test_the_tasks_of_a_group_share_it_and_have_no_parent(rig):
    shop = rig.shop
    with producing(rig):
        sent = group(shop.ok.s(number) for number in range(3)).apply_async()
    for task_id in (result.id for result in sent.results):
        row = suite.becomes(rig, task_id, State.SUCCEEDED)
        assert (row["group_id"], row["root_id"], row["parent_id"]) == (sent.id, task_id, "")


def test_a_chord_calls_its_body_from_one_of_its_tasks(rig):
    """The body is published in a worker, by the last task to end: the producer says nothing of it."""
    shop = rig.shop
    with producing(rig):
        body = chord([shop.ok.s(1), shop.ok.s(2)])(shop.ok.s())
    row = suite.becomes(rig, body.id, State.SUCCEEDED)
    header = [result.id for result in body.parent.results]
    assert row["parent_id"] in header
    assert row["root_id"] in header
    assert row["group_id"] == body.parent.id, "by which the panel tells it from the child of one of them"
    assert {suite.becomes(rig, task_id, State.SUCCEEDED)["group_id"] for task_id in header} == {body.parent.id}
    assert rig.records.events(body.id, "task.enqueued")


def test_a_retry_brings_the_rest_of_its_chain_with_it(rig):
    shop = rig.shop
    last = chain(shop.count.s("chained"), shop.count.si("follows")).apply_async()
    suite.becomes(rig, last.id, State.SUCCEEDED)
    assert rig.records.ask("retry", Target(last.parent.id, "command-1", 1)).outcome == Outcome.DONE
    wait_for(lambda: len((rig.folder / "follows").read_text().splitlines()) == 2)


def test_a_retry_keeps_priority_and_headers_and_never_decodes_the_body(rig):
    task_id = rig.send("count", "kept", priority=3, headers={"tenant": "north"})
    suite.becomes(rig, task_id, State.SUCCEEDED)
    answer = rig.records.ask("retry", Target(task_id, "command-2", 1))
    row = suite.becomes(rig, answer.new_task_id, State.SUCCEEDED)
    assert row["priority"] == 3
    first, again = (original(rig, which) for which in (task_id, answer.new_task_id))
    assert again["headers"]["tenant"] == "north"
    assert again["headers"]["z4j_retry_of"] == task_id
    assert (again["body"], again["properties"]["reply_to"]) == (first["body"], first["properties"]["reply_to"])


def test_an_unknown_task_can_be_retried_once_it_is_known(rig):
    """Its original is kept although no worker could run it."""
    task_id = rig.send("not_yet", 1)
    assert suite.becomes(rig, task_id, State.FAILED)["vault"]
    answer = rig.records.ask("retry", Target(task_id, "command-3", 1))
    assert answer.outcome == Outcome.DONE
    assert suite.becomes(rig, answer.new_task_id, State.FAILED)["retry_of"] == task_id


def test_without_the_original_a_retry_takes_the_arguments_from_the_result_backend(rig):
    task_id = rig.send("count", "extended")
    suite.becomes(rig, task_id, State.SUCCEEDED)
    rig.recorder().originals.delete(task_id)
    answer = rig.records.ask("retry", Target(task_id, "command-4", 1))
    assert answer.outcome == Outcome.DONE
    assert "result backend" in answer.detail
    row = suite.becomes(rig, answer.new_task_id, State.SUCCEEDED)
    assert row["retry_of"] == task_id
    assert len((rig.folder / "extended").read_text().splitlines()) == 2


def test_other_arguments_bring_the_rest_of_the_chain_with_them_and_the_priority(rig):
    shop = rig.shop
    last = chain(shop.count.s("with-1"), shop.count.si("with-follows")).apply_async(priority=6)
    suite.becomes(rig, last.id, State.SUCCEEDED)
    answer = rig.records.ask("retry_with", Target(last.parent.id, "with-1", 1), args=["with-2"], kwargs={})
    assert (answer.outcome, answer.detail) == (Outcome.DONE, "")
    row = suite.becomes(rig, answer.new_task_id, State.SUCCEEDED)
    assert row["priority"] == 6
    assert row["args"] == "('with-2',)"
    wait_for(lambda: len((rig.folder / "with-follows").read_text().splitlines()) == 2)
    kept = original(rig, answer.new_task_id)
    assert kept["headers"]["argsrepr"] == "['with-2']"


def test_other_arguments_need_no_original(rig):
    target = Target("long-gone", "with-3", 1, name="shop.count", queue=rig.queue)
    answer = rig.records.ask("retry_with", target, args=["with-3"], kwargs={})
    assert answer.outcome == Outcome.DONE
    assert "left out" in answer.detail
    assert suite.becomes(rig, answer.new_task_id, State.SUCCEEDED)["retry_of"] == "long-gone"
    nameless = rig.records.ask("retry_with", Target("long-gone", "with-4", 1), args=[], kwargs={})
    assert nameless.outcome == Outcome.ARGS_UNAVAILABLE


def test_a_pickled_body_is_not_opened_to_exchange_its_arguments():
    pickled = {"content_type": "application/x-python-serialize", "content_encoding": "binary", "body": b"\x80"}
    packed, whole = originals.exchange({**pickled, "headers": {"id": "t"}}, [1], {"two": 2})
    assert not whole
    assert (packed["content_type"], json.loads(packed["body"])) == ("application/json", [[1], {"two": 2}, {}])


def test_a_message_with_headers_beyond_json_is_kept_whole():
    odd = {"body": b"\xff\x00", "headers": {"id": "t", "raw": b"\x01", "expires": None}, "properties": {}, "at": 1}
    assert originals.unpack(originals.dump(odd)) == odd


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_a_pool_that_cannot_stop_a_running_task_says_so(tmp_path, pool):
    with CeleryRig(tmp_path, pool=pool) as rig:
        with suite.held(rig, 1) as (task_id,):
            answer = rig.records.ask("cancel", Target(task_id, "command-5", 1))
        assert answer.outcome == Outcome.UNSUPPORTED
        assert pool in answer.detail
        suite.becomes(rig, task_id, State.SUCCEEDED)
        failed = suite.becomes(rig, rig.send("fail", 1), State.FAILED)
        assert failed["error_reason"] == "exception"


def test_loading_the_command_connects_nothing_but_the_start_of_a_worker_or_beat():
    code = """
import json
from celery import signals
import z4j_celery.command
found = {name: len(value.receivers) for name, value in vars(signals).items() if getattr(value, "receivers", None)}
print(json.dumps(found))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(told) == {"celeryd_init": 1, "beat_init": 1}


def test_the_celery_command_tells_what_is_installed(rig):
    told = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "shop", "z4j"], cwd=HERE, capture_output=True, text=True, check=True
    )
    assert "retry, retry_with, run, cancel" in told.stdout
    assert "z4j-bare" in told.stdout


@contextmanager
def producing(rig):
    """Canvas is sent by the app, not by the rig."""
    rig.producer.install(rig.recorder())
    try:
        yield
    finally:
        rig.producer.uninstall()


def original(rig, task_id):
    return originals.unpack(rig.recorder().original(task_id))

"""What is Celery's own: ends without a signal, canvas, pools, the result backend, the `celery` command."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from celery import chain
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
    ],
)
def test_each_way_to_end_is_told_once(rig, task, state, reason):
    task_id = rig.send(task)
    row = suite.becomes(rig, task_id, state)
    assert row["error_reason"] == reason
    suite.becomes(rig, rig.send("ok", 1), State.SUCCEEDED)
    kinds = [event["kind"] for event in rig.records.events(task_id)]
    assert sorted(kinds) == sorted(["task.enqueued", "task.received", "task.started", f"task.{state}"])


def test_a_hard_time_limit_says_so_in_words_of_the_engine(rig):
    row = suite.becomes(rig, rig.send("overtime"), State.FAILED)
    assert row["error_message"] == "The hard time limit of 1 s was exceeded."


def test_a_retried_attempt_is_not_its_own_parent(rig):
    task_id = rig.send("flaky", 1)
    row = suite.becomes(rig, task_id, State.SUCCEEDED)
    assert (row["parent_id"], row["root_id"]) == ("", task_id)


def test_a_chain_knows_its_parents(rig):
    shop = rig.shop
    rig.producer.install(rig.recorder())
    try:
        last = chain(shop.count.s("link"), shop.ok.si(2)).apply_async()
    finally:
        rig.producer.uninstall()
    row = suite.becomes(rig, last.id, State.SUCCEEDED)
    assert row["parent_id"] == row["root_id"] == last.parent.id


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


def test_a_message_with_headers_beyond_json_is_kept_whole():
    odd = {"body": b"\xff\x00", "headers": {"id": "t", "raw": b"\x01", "expires": None}, "properties": {}, "at": 1}
    assert originals.unpack(originals.dump(odd)) == odd


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_a_pool_that_cannot_stop_a_running_task_says_so(tmp_path, pool):
    with CeleryRig(tmp_path, pool=pool) as rig:
        task_id = rig.send("slow", 3)
        suite.becomes(rig, task_id, State.STARTED)
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
    assert "retry, retry_with, cancel" in told.stdout
    assert "z4j-bare" in told.stdout


def original(rig, task_id):
    return originals.unpack(rig.recorder().original(task_id))

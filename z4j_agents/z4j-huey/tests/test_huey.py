"""What the suite does not ask of Huey."""

from __future__ import annotations

import random
import threading
import time

import pytest
from huey import MemoryHuey
from z4j_core.engine import Target
from z4j_core.testing.recording import RecordingHost, Records, wait_for
from z4j_huey import HueyEngine
from z4j_huey.facts import stored_error


@pytest.fixture
def here(tmp_path):
    """A consumer's threads in this process, and what they report."""
    huey = MemoryHuey("here")
    engine = HueyEngine(huey)
    engine.install(RecordingHost(tmp_path, engine=engine))
    consumer = huey.create_consumer(workers=2, periodic=False, initial_delay=0.01, max_delay=0.01)
    yield huey, engine, consumer, Records(tmp_path)
    consumer.stop_flag.set()
    for _, thread in consumer.worker_threads:
        if thread.ident is not None:
            thread.join(10)
    engine.uninstall()


def test_a_cancel_that_comes_late_reaches_no_other_task_and_ends_no_thread(here):
    huey, engine, consumer, records = here

    @huey.task()
    def nap():
        for _ in range(20):
            time.sleep(0.0001)
        return 1

    sent = [nap().id for _ in range(400)]
    unwanted = set(sent[::2])
    for _, thread in consumer.worker_threads:
        thread.start()
    ended = threading.Event()

    def cancel():
        while not ended.is_set():
            for task_id in unwanted & set(engine.hooks.running):
                engine.cancel(Target(task_id, "cancel", 1), {})
            time.sleep(random.random() / 500)

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        wait_for(lambda: len(_ends(records)) >= len(sent), 60, "all of them")
    finally:
        ended.set()
        thread.join()
    assert sorted(_ends(records)) == sorted(sent)
    cancelled = {event["task_id"] for event in records.events(kind="task.cancelled")}
    assert len(cancelled) > 10
    assert cancelled <= unwanted
    assert all(one.is_alive() for _, one in consumer.worker_threads)
    assert engine.hooks.running == {}


def test_a_task_that_is_cancelled_before_its_own_code_begins_does_not_begin(here):
    huey, engine, consumer, records = here
    ran = []

    @huey.task()
    def never():
        ran.append(1)

    @huey.pre_execute()
    def meanwhile(task):
        engine.cancel(Target(task.id, "cancel", 1), {})

    task_id = never().id
    consumer.worker_threads[0][1].start()
    wait_for(lambda: _ends(records) == [task_id], what="its end")
    assert records.events(task_id, "task.cancelled")
    assert ran == []
    assert consumer.worker_threads[0][1].is_alive()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ValueError('no')", "ValueError"),
        ("KeyError()", "KeyError"),
        ("hunter2", "Exception"),
        ("shop.password", "Exception"),
        ("the key is abc.hunter2(really)", "Exception"),
        ("<Refused hunter2>", "Exception"),
        ("", "Exception"),
    ],
)
def test_of_a_stored_error_only_what_python_calls_its_type_is_told(text, kind):
    told = stored_error({"error": text})
    assert (told["type"], told["message"]) == (kind, "")


def _ends(records):
    kinds = {"task.succeeded", "task.cancelled", "task.failed"}
    return [event["task_id"] for event in records.events() if event["kind"] in kinds]

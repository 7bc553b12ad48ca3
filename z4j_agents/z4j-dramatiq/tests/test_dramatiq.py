"""What the suite does not ask of Dramatiq, over Redis."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time

import dramatiq
import pytest
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker
from dramatiq.worker import Worker
from dramatiq_rig import DramatiqRig
from z4j_core.engine import Target
from z4j_core.testing.recording import RecordingHost, Records, wait_for
from z4j_core.testing.rig import Suite
from z4j_core.wire import Outcome, State
from z4j_dramatiq import DramatiqEngine
from z4j_dramatiq.facts import identity


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with DramatiqRig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


class TestDramatiqItself(Suite):
    engine_class = DramatiqEngine
    failed = State.DEAD_LETTERED

    def test_a_dead_letter_of_many_attempts_goes_on_counting_when_it_is_put_back(self, rig):
        task_id = rig.send("flaky", 3)
        assert self.becomes(rig, task_id, self.failed)["attempt"] == 2
        told = wait_for(lambda: self._dead(rig, task_id), what="the dead letter")
        assert told["attempt"] == 2, "what the store says is of the same attempt"
        target = Target(task_id, "requeue-1", 1, queue=rig.queue)
        assert rig.records.ask("requeue", target).outcome == Outcome.DONE
        row = self.becomes(rig, task_id, State.SUCCEEDED)
        assert (row["attempt"], row["max_attempts"]) == (3, 6)

    def _dead(self, rig, task_id):
        told = rig.records.read("lookup", targets=[Target(task_id, queue=rig.queue)])
        return next((event for event in told if event["kind"] == "task.dead_lettered"), None)

    def test_a_message_that_was_stopped_is_no_dead_letter_and_is_not_tried_again(self, rig):
        dead = rig.records.read("queues")[0].get("dead")
        task_id = rig.send("slow", 60)
        self.becomes(rig, task_id, State.STARTED)
        rig.records.ask("cancel", Target(task_id, "cancel-1", 1, queue=rig.queue))
        self.becomes(rig, task_id, State.CANCELLED)
        time.sleep(1)
        assert rig.records.read("queues")[0].get("dead") == dead
        assert [event["kind"] for event in rig.records.events(task_id)][-1] == "task.cancelled"

    def test_delayed_messages_and_dead_letters_are_listed_too_whoever_sent_them(self, rig):
        delayed, failed = rig.send_unseen("count", "later", delay=60), rig.send_unseen("fail", 4)
        self.becomes(rig, failed, self.failed)

        def listed():
            found = {event["task_id"]: event for event in rig.records.read("peek", rig.queue, 100)}
            return found if {delayed, failed} <= found.keys() else None

        found = wait_for(listed, what="both of them")
        assert found[delayed]["kind"] == "task.enqueued"
        assert found[delayed]["eta"] > time.time_ns() // 1000
        assert (found[failed]["kind"], found[failed].get("attempt")) == ("task.dead_lettered", 0)
        rows = rig.records.read("lookup", targets=[Target(one, queue=rig.queue) for one in (delayed, failed)])
        assert {row["task_id"]: row["kind"] for row in rows} == {one: found[one]["kind"] for one in (delayed, failed)}

    def test_a_purge_leaves_dead_letters_where_they_are(self, rig):
        self.becomes(rig, rig.send("fail", 5), self.failed)
        dead = wait_for(lambda: rig.records.read("queues")[0].get("dead"), what="a dead letter")
        rig.records.ask("purge", Target(command="purge-9", item=1, queue=rig.queue))
        assert rig.records.read("queues")[0]["dead"] == dead

    def test_a_cancel_of_what_redis_does_not_hold_any_more_says_that_it_has_ended(self, rig):
        task_id = rig.send("count", "ended")
        self.becomes(rig, task_id, State.SUCCEEDED)
        target = Target(task_id, "cancel-2", 1, name="count", queue=rig.queue)
        wait_for(lambda: rig.records.ask("cancel", target).outcome == Outcome.ALREADY_FINAL, what="its end")
        assert not list((rig.folder / "state").glob(f"*{task_id}*")), "no mark is left"


@pytest.fixture
def here(rig, tmp_path):
    """A worker in this process, of a broker without middleware, and what it reports."""
    broker = RedisBroker(url=os.environ["SHOP_BROKER"], namespace=f"here{random.random()}", middleware=[])
    engine = DramatiqEngine(broker)
    engine.install(RecordingHost(tmp_path, engine=engine))
    worker = Worker(broker, worker_threads=2, worker_timeout=100)
    yield broker, engine, worker, Records(tmp_path)
    worker.stop()
    engine.uninstall()
    broker.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_interrupts_that_come_late_end_no_thread_and_every_message_ends_once(here):
    broker, engine, worker, records = here

    def nap():
        for _ in range(20):
            time.sleep(0.0001)

    actor = dramatiq.actor(nap, broker=broker)
    messages = [actor.send() for _ in range(300)]
    worker.start()
    ended = threading.Event()

    def interrupt():
        while not ended.is_set():
            for task_id in list(engine.hooks.running):
                engine.hooks.interrupt(task_id)
            time.sleep(random.random() / 200)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        wait_for(lambda: len(_ends(records)) >= len(messages), 60, "all of them")
    finally:
        ended.set()
        thread.join()
    assert sorted(_ends(records)) == sorted(message.message_id for message in messages)
    assert len(records.events(kind="task.cancelled")) > 10
    assert all(one.is_alive() for one in worker.workers)
    assert engine.hooks.running == {}


def test_without_the_retries_middleware_a_failure_is_told_as_what_it_is(here):
    broker, engine, worker, records = here

    def fail():
        raise ValueError

    task_id = dramatiq.actor(fail, broker=broker).send().message_id
    worker.start()
    wait_for(lambda: records.events(task_id, "task.failed"), what="its failure")
    assert [advice.code for advice in engine.advice()] == ["no-retries", "no-time-limit"]


def test_a_broker_that_cannot_be_looked_into_says_so():
    engine = DramatiqEngine(StubBroker())
    for name in ("queues", "peek", "purge", "requeue", "move"):
        assert engine.obstacle(name).endswith(".")
        assert name not in engine.capabilities()


def test_named_on_the_command_line_the_module_connects_the_broker(tmp_path):
    script = (
        "import dramatiq; from dramatiq.brokers.stub import StubBroker; dramatiq.set_broker(StubBroker());"
        "import z4j_dramatiq.auto; print([type(one).__name__ for one in dramatiq.get_broker().middleware])"
    )
    dsn = "http://z4ja_aaaaaaaaaaaaaaaa_" + "b" * 43 + "@127.0.0.1:9/default/production?key=" + "c" * 64
    for settings, connected in (({}, False), ({"Z4J_DSN": dsn, "Z4J_SPOOL_DIR": str(tmp_path)}, True)):
        told = subprocess.run([sys.executable, "-c", script], env={**os.environ, **settings}, capture_output=True)
        assert (b"Hooks" in told.stdout) is connected, told


CHILD = """
import dramatiq.cli
from dramatiq.brokers.stub import StubBroker
from dramatiq.worker import Worker
from z4j_core.engine import Target
from z4j_dramatiq import DramatiqEngine
from z4j_dramatiq.facts import identity

engine = DramatiqEngine(StubBroker())
engine.dramatiq_worker = Worker(engine.broker)
for name in ("stop", "restart"):
    print(engine.obstacle(name), getattr(engine, name)(Target(command="c", item=1), {}).outcome, sep="|")
"""


def test_a_parent_that_only_has_the_name_on_its_command_line_gets_no_signal():
    # The parent is a shell that runs `# dramatiq`; the child has imported everything of the command.
    command = [sys.executable, "-c", CHILD]
    parent = subprocess.Popen(
        ["/bin/sh", "-c", '"$0" "$@"; echo survived # dramatiq', *command], stdout=subprocess.PIPE, text=True
    )
    told = parent.communicate(timeout=60)[0].splitlines()
    assert parent.returncode == 0
    assert told[-1] == "survived"
    assert [line.rpartition("|")[2] for line in told[:2]] == ["unsupported", "unsupported"]
    assert all(line.rpartition("|")[0].endswith(".") for line in told[:2])


FORKED = """
import multiprocessing, os, time

def orphan(answers):
    while os.getppid() == multiprocessing.parent_process().pid:
        time.sleep(0.01)
    from z4j_dramatiq import steering
    answers.send((steering._master(), steering._tell_master(15, "").outcome))

def master(answers):
    multiprocessing.Process(target=orphan, args=(answers,)).start()
    os._exit(0)

import dramatiq.cli
multiprocessing.set_start_method("fork")
ours, theirs = multiprocessing.Pipe()
child = os.fork()
if child == 0:
    master(theirs)
os.waitpid(child, 0)
print(*ours.recv()) if ours.poll(30) else print("nothing")
"""


def test_a_worker_whose_master_has_died_signals_nobody():
    told = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=60)
    assert (told.stdout.strip(), told.returncode) == ("None unsupported", 0), told.stderr


def _ends(records):
    kinds = {"task.succeeded", "task.cancelled", "task.failed", "task.dead_lettered"}
    return [event["task_id"] for event in records.events() if event["kind"] in kinds]


def test_a_task_tells_the_trace_that_its_option_names():
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    broker = StubBroker(middleware=[])
    message = dramatiq.Message("default", "pay", (), {}, {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    assert identity(broker, message)["trace_id"] == trace

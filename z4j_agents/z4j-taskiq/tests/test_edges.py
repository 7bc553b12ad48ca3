"""What goes wrong around a task is told as well; what will hurt is said; what cannot be done has its reason."""

from __future__ import annotations

import asyncio

import pytest
from taskiq import InMemoryBroker, SimpleRetryMiddleware, TaskiqMiddleware
from taskiq.acks import AcknowledgeType
from taskiq.receiver import Receiver
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend, RedisStreamBroker
from z4j_core.engine import Target
from z4j_core.testing.recording import RecordingHost, Records
from z4j_taskiq import TaskiqEngine
from z4j_taskiq.workers import Slots

NOWHERE = "redis://127.0.0.1:1/0"


class Refusing(TaskiqMiddleware):
    """Somebody's middleware with a mistake in it."""

    async def pre_execute(self, message):
        raise LookupError("no such tenant")


@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def memory(loop, tmp_path):
    """taskiq's broker that runs tasks in the loop of whoever sends them, with the adapter."""
    broker = InMemoryBroker()
    engine = TaskiqEngine(broker)
    engine.install(RecordingHost(tmp_path))
    yield broker, engine, Records(tmp_path)
    loop.run_until_complete(broker.shutdown())


def run(loop, broker, function, *args):
    """The id of the task, which has come to its end."""

    async def send():
        task = await broker.register_task(function, task_name="edge").kiq(*args)
        while others := [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]:
            await asyncio.wait(others)
            for one in others:
                one.cancelled() or one.exception()
        return task.task_id

    return loop.run_until_complete(send())


class Slow(TaskiqMiddleware):
    """Somebody's middleware that takes its time when a task has failed."""

    async def on_error(self, message, result, exception):
        await asyncio.sleep(0.1)


async def double(number):
    return number * 2


def test_a_task_whose_middleware_raises_has_failed(loop, memory):
    broker, _, records = memory
    broker.add_middlewares(Refusing())
    task_id = run(loop, broker, double, 2)
    kinds = [event["kind"] for event in records.events(task_id)]
    assert kinds == ["task.enqueued", "task.started", "task.failed"]
    assert records.events(task_id)[-1]["error"]["type"] == "CallbackFailed"


def test_an_attempt_that_begins_before_the_last_one_is_through_is_told_apart(loop, tmp_path):
    broker = InMemoryBroker().with_middlewares(Slow(), SimpleRetryMiddleware(default_retry_label=True))
    TaskiqEngine(broker).install(RecordingHost(tmp_path))
    tries = []

    async def third_time():
        tries.append(1)
        if len(tries) < 3:
            raise KeyError("not yet")

    task_id = run(loop, broker, third_time)
    loop.run_until_complete(broker.shutdown())
    records = Records(tmp_path)
    assert [event["attempt"] for event in records.events(task_id, "task.retrying")] == [0, 1]
    assert [event["attempt"] for event in records.events(task_id, "task.succeeded")] == [2]
    assert records.events(task_id, "task.failed") == []


def test_a_task_whose_result_cannot_be_saved_has_succeeded(loop, memory, monkeypatch):
    broker, _, records = memory

    async def broken(*_):
        raise OSError("no space left")

    monkeypatch.setattr(broker.result_backend, "set_result", broken)
    task_id = run(loop, broker, double, 2)
    assert [event["kind"] for event in records.events(task_id)][-1] == "task.succeeded"


def test_a_result_that_is_given_away_once_is_left_to_whoever_waits_for_it(loop, memory):
    broker, engine, _ = memory
    task_id = run(loop, broker, double, 2)
    assert [event["kind"] for event in loop.run_until_complete(engine._known([Target(task_id)]))] == ["task.succeeded"]
    broker.result_backend.keep_results = False
    assert loop.run_until_complete(engine._known([Target(task_id)])) == []


def test_any_id_may_be_asked_for_where_keys_have_a_prefix():
    ids = [
        "0123456789abcdef" * 2,
        "2ad1c1b5-9a0e-5a8a-8d47-0c3c2d1d9a11",
        "session:1",
        "0123456789abcdef" * 2 + "\n",
        "",
    ]
    broker = ListQueueBroker(NOWHERE)
    engine = TaskiqEngine(broker.with_result_backend(RedisAsyncResultBackend(NOWHERE)))
    assert [engine._is_task(one) for one in ids] == [True, True, False, False, False]
    engine = TaskiqEngine(broker.with_result_backend(RedisAsyncResultBackend(NOWHERE, prefix_str="results")))
    assert all(engine._is_task(one) for one in ids)


def test_what_an_unseen_broker_cannot_do_is_said_with_the_reason(memory):
    _, engine, _ = memory
    for name in ("purge", "move"):
        assert "InMemoryBroker" in engine.missing()[name]
    assert {"queues", "peek"}.isdisjoint(engine.capabilities())
    assert engine.missing()["cancel"] == "Only a worker can do this; this process sends tasks."


def codes(broker, receiver=None):
    engine = TaskiqEngine(broker)
    engine.receiver = receiver
    return {advice.code for advice in engine.advice()}


def test_advice_on_a_list():
    assert codes(ListQueueBroker(NOWHERE, socket_timeout=5)) == {"idle-timeout", "lost-with-worker", "no-results"}
    good = ListQueueBroker(NOWHERE, socket_timeout=None)
    assert codes(good) == {"lost-with-worker", "no-results"}
    kept = RedisAsyncResultBackend(NOWHERE)
    assert codes(good.with_result_backend(kept)) == {"lost-with-worker", "results-for-ever", "pickle"}
    taken = RedisAsyncResultBackend(NOWHERE, keep_results=False, result_ex_time=60)
    assert codes(good.with_result_backend(taken)) == {"lost-with-worker", "results-taken", "pickle"}


def test_advice_on_a_stream():
    broker = RedisStreamBroker(NOWHERE, socket_timeout=1, xread_block=2000)
    assert codes(broker) == {"idle-timeout", "stream-grows", "no-results"}
    receiver = Receiver(broker, ack_type=AcknowledgeType.WHEN_RECEIVED)
    assert codes(broker, receiver) == {"idle-timeout", "stream-grows", "no-results", "early-ack", "unlimited"}
    assert codes(RedisStreamBroker(NOWHERE, socket_timeout=None, maxlen=10_000)) == {"no-results"}


def test_advice_on_a_timeout_that_stops_nothing():
    broker = ListQueueBroker(NOWHERE, socket_timeout=None)
    broker.register_task(lambda: None, task_name="shop:wait", timeout=3)
    assert "timeout-detached" in codes(broker)


def test_slots_that_are_busy_go_when_they_are_free_and_come_back(loop):
    async def change():
        receiver = Receiver(InMemoryBroker(), max_async_tasks=3)
        slots = Slots(receiver, 0)
        for _ in range(3):
            await receiver.sem.acquire()
        assert await slots.take(9) == 1, "one stays"
        assert await slots.add(1) == 2
        await asyncio.sleep(0)
        for _ in range(3):
            receiver.sem.release()
        for _ in range(3):
            await asyncio.sleep(0)
        free = 0
        while not receiver.sem.locked():
            await receiver.sem.acquire()
            free += 1
        assert free == 2

    loop.run_until_complete(change())


def test_a_task_tells_the_trace_that_its_labels_name(memory, loop):
    broker, _, records = memory
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"

    @broker.task(task_name="traced")
    async def traced() -> None:
        pass

    loop.run_until_complete(traced.kicker().with_labels(traceparent=f"00-{trace}-00f067aa0ba902b7-01").kiq())
    told = [event for event in records.events() if event.get("name") == "traced"]
    assert told
    assert {event["trace_id"] for event in told} == {trace}

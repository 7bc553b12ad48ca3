"""What in the configuration of a broker and its worker will hurt."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from taskiq import AsyncBroker, InMemoryBroker
from taskiq.acks import AcknowledgeType
from taskiq.result_backends.dummy import DummyResultBackend
from taskiq.serializers import PickleSerializer
from z4j_core.engine import Advice

from z4j_taskiq.stores import ListStore, Store, StreamStore


def advice_on(broker: AsyncBroker, store: Store | None, receiver: Any) -> Iterator[Advice]:
    if isinstance(broker, InMemoryBroker):
        yield Advice("memory", "Tasks run in the process that sends them, and end with it.", "Use another broker.")
    if isinstance(store, ListStore):
        yield from _on_list(broker)
    elif isinstance(store, StreamStore):
        yield from _on_stream(broker, receiver)
    yield from _on_results(broker.result_backend)
    yield from _on_tasks(broker)
    if receiver is not None and receiver.sem is None:
        yield Advice(
            "unlimited",
            "This worker begins every task that comes, however many it runs already.",
            "Give --max-async-tasks a number above 0.",
        )


def _on_list(broker: Any) -> Iterator[Advice]:
    seconds = _socket_timeout(broker)
    if seconds:
        yield Advice(
            "idle-timeout",
            f"A worker that gets no task for {seconds:g} s ends, and what it runs then is lost.",
            "Write ListQueueBroker(url, socket_timeout=None).",
        )
    yield Advice(
        "lost-with-worker",
        "A list forgets a task when a worker takes it: one whose worker is killed is gone.",
        "Use RedisStreamBroker for tasks that must not be lost.",
    )


def _on_stream(broker: Any, receiver: Any) -> Iterator[Advice]:
    seconds = _socket_timeout(broker)
    if seconds and broker.block >= seconds * 1000:
        yield Advice(
            "idle-timeout",
            f"A worker that gets no task for {seconds:g} s ends, and what it runs then is delivered again.",
            f"Make xread_block smaller than {seconds * 1000:g} ms, or write socket_timeout=None.",
        )
    if broker.maxlen is None:
        yield Advice(
            "stream-grows",
            "A stream keeps every task that was ever sent, with its arguments.",
            "Give RedisStreamBroker a maxlen that is well above the longest backlog.",
        )
    if getattr(receiver, "ack_time", None) == AcknowledgeType.WHEN_RECEIVED:
        yield Advice(
            "early-ack",
            "Tasks are acknowledged before they run: one whose worker is killed is gone.",
            "Start the worker with --ack-type when_saved.",
        )


def _on_results(backend: Any) -> Iterator[Advice]:
    if isinstance(backend, DummyResultBackend):
        yield Advice(
            "no-results",
            "Without a result backend nobody can tell how a task ended whose worker could not say so.",
            "Give the broker one: broker.with_result_backend(RedisAsyncResultBackend(url, result_ex_time=86400)).",
        )
        return
    if getattr(backend, "keep_results", True) is False:
        yield Advice(
            "results-taken",
            "A result is deleted when somebody reads it, so that nobody else can tell how the task ended.",
            "Set keep_results=True and let results expire by result_ex_time.",
        )
    expiries = [getattr(backend, name, 0) for name in ("result_ex_time", "result_px_time")]
    if expiries == [None, None]:
        yield Advice(
            "results-for-ever", "Results are kept in Redis for ever.", "Give result_ex_time a number of seconds."
        )
    if isinstance(getattr(backend, "serializer", None), PickleSerializer):
        yield Advice(
            "pickle",
            "Results are pickled: whoever can write to this Redis can run any code where results are read.",
            "Keep Redis behind a password and off the network, or give serializer=JSONSerializer().",
        )


def _on_tasks(broker: AsyncBroker) -> Iterator[Advice]:
    timed = [task for task in broker.get_all_tasks().values() if task.labels.get("timeout") is not None]
    name = next((task.task_name for task in timed if not inspect.iscoroutinefunction(task.original_func)), None)
    if name is not None:
        yield Advice(
            "timeout-detached",
            f"{name} has a timeout and is no coroutine: when the time is up it counts as failed, and runs on.",
            "Make it a coroutine, or look at the clock in it.",
        )


def _socket_timeout(broker: Any) -> float | None:
    """Seconds after which a connection that waits for an answer gives up: as given, or else as the client has it."""
    pool = broker.connection_pool
    if "socket_timeout" in pool.connection_kwargs:
        given = pool.connection_kwargs["socket_timeout"]
        return float(given) if given else None
    for kind in pool.connection_class.__mro__:
        known = inspect.signature(kind.__init__).parameters.get("socket_timeout")
        if known is not None:
            return float(known.default) if isinstance(known.default, (int, float)) else None
    return None

"""What this process is to Celery: its app, consumer and pool; and how to have something done where Celery does it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any, ClassVar, Final

from celery import current_app
from celery.concurrency.base import BasePool
from celery.worker import state as worker_state
from z4j_core.engine import Engine
from z4j_core.safety import guard

from z4j_celery.hooks import Hooks

#: Seconds a worker may take from its first sign of life to its first message.
STARTS: Final = 20.0
#: Seconds to wait for the worker's own loop. With the pool solo it runs tasks, and is away meanwhile.
PATIENCE: Final = 8.0
#: Seconds that the broker has for each answer.
_TIMEOUT: Final = 2.0
OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "redis": {"socket_timeout": _TIMEOUT, "socket_connect_timeout": _TIMEOUT},
    # Confirmed: a message that is moved leaves its queue when it has arrived in the other.
    "amqp": {"read_timeout": _TIMEOUT, "write_timeout": _TIMEOUT, "confirm_publish": True},
}
_POOLS: Final = {"thread": "threads"}


class Busy(Exception):
    """The worker's loop has not come to it yet. It will."""


class Process(Engine):
    """Shared by the files of verbs and reads."""

    hooks: Hooks | None = None
    consumer: Any = None
    starting: bool = False
    #: The app of the beat of this process. Beat's own thread alone has it as its current one.
    of_beat: ClassVar[Any] = None
    ready: threading.Event
    _driver: str | None = None

    @property
    def app(self) -> Any:
        if self.consumer is not None:
            return self.consumer.app
        return self.of_beat or current_app._get_current_object()

    @property
    def pool(self) -> Any:
        return self.consumer.pool if self.consumer is not None else None

    def pool_kind(self) -> str:
        """prefork, threads, solo, gevent, eventlet: the module that the pool comes from."""
        kind = type(self.pool).__module__.rpartition(".")[2]
        return _POOLS.get(kind, kind)

    def pool_can(self, name: str) -> bool:
        """Whether the pool has the method: the base class has none, or only raises. (prefork sets some on itself.)"""
        refusal = getattr(BasePool, name, None)
        method = getattr(self.pool, name, refusal)
        return getattr(method, "__func__", method) is not refusal

    def driver(self) -> str:
        """redis, amqp, or what else the transport is called."""
        if self._driver is None:
            self._driver = "unknown"
            with guard("celery.driver"):
                self._driver = str(self.app.connection_for_write().transport.driver_type)
        return self._driver

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """To the broker, for one errand: given up when the broker does not answer, rather than tried for ever.

        Not one of Celery's pool. A child that is forked inherits those, and closes them for its parent too.
        """
        options = OPTIONS.get(self.driver(), {})
        connection = self.app.connection_for_write(connect_timeout=_TIMEOUT, transport_options=options)
        try:
            connection.connect()
            yield connection
        finally:
            connection.release()

    def running(self) -> list[Any]:
        """The requests that this worker works on. Its main thread changes the set while we read it."""
        for _ in range(5):
            with suppress(RuntimeError):
                return list(worker_state.active_requests)
        return []

    def on_loop(self, call: Callable[[], Any]) -> Any:
        """What `call` returns or raises in the worker's main thread: there Celery forks, consumes and sets limits, and
        nothing of that is safe from another. Raises Busy when the loop does not come to it in time.
        """
        told: SimpleQueue[tuple[Any, Exception | None]] = SimpleQueue()

        def run() -> None:
            try:
                told.put((call(), None))
            except Exception as error:
                told.put((None, error))

        self.consumer.call_soon(run)
        try:
            result, error = told.get(timeout=PATIENCE)
        except Empty:
            raise Busy from None
        if error is not None:
            raise error
        return result

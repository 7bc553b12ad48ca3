"""Huey as an engine: what is connected to one instance, and what its consumer runs."""

from __future__ import annotations

import functools
import inspect
import os
import platform
import signal
import sys
import time
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, ClassVar

from huey import Huey
from z4j_core import registered
from z4j_core.engine import Host, verb
from z4j_core.safety import guard, guarded
from z4j_core.wire import HELLO_NAME

from z4j_huey.actions import LOOKS_EVERY, PAUSE, Actions
from z4j_huey.facts import ENGINE, now
from z4j_huey.forked import Forked
from z4j_huey.hooks import Hooks, function_of
from z4j_huey.turns import Stopped

_HOOK = "z4j"
#: The argument in which Huey gives a task itself.
_CONTEXT = "task"


class HueyEngine(Actions):
    name: ClassVar[str] = ENGINE

    def __init__(self, huey: Huey) -> None:
        self.bound = self.huey = huey
        self.hooks: Hooks | None = None
        self.consumer: Any = None
        self.forked: Forked | None = None
        self.leaving: set[int] = set()
        self._started = 0
        self._home = 0
        self._looked = 0.0
        self._is_paused = False

    @classmethod
    def find(cls) -> HueyEngine | None:
        """The instance of a Django project. Others are handed over by `attach`."""
        module = sys.modules.get("huey.contrib.djhuey")
        found = getattr(module, "HUEY", None)
        return cls(found) if isinstance(found, Huey) else None

    def version(self) -> str:
        return version("huey")

    def install(self, host: Host) -> None:
        if self.host is not None:
            return
        super().install(host)
        self.hooks = Hooks(self.huey, host)
        self.huey._signal.connect(self.hooks.signal)
        self.huey.post_execute(name=_HOOK)(self.hooks.after)
        self.huey.on_startup(name=_HOOK)(self._on_startup)
        self.huey.on_shutdown(name=_HOOK)(self._on_shutdown)
        self.hello_task = self.huey.task(name="z4j.hello")(_hello)
        # On the instance, over the methods of its class.
        self.huey.create_consumer = self._create_consumer
        self.huey.dequeue = self._dequeue

    def uninstall(self) -> None:
        if self.host is None or self.hooks is None:
            return
        del self.huey.dequeue, self.huey.create_consumer
        self.hello_task.unregister()
        self.huey.unregister_on_shutdown(_HOOK)
        self.huey.unregister_on_startup(_HOOK)
        self.huey.unregister_post_execute(_HOOK)
        self.huey._signal.disconnect(self.hooks.signal)
        self.hooks = None
        super().uninstall()

    @verb(note="from the consumer itself")
    def worker(self) -> dict[str, Any] | None:
        if self.consumer is None:
            return None
        return {
            "name": self._name,
            "host": platform.node(),
            "pid": self._home,
            "version": self.version(),
            "queues": [self.huey.name],
            "concurrency": {"kind": self.consumer.worker_type, "size": len(self.consumer.worker_threads)},
            "running": [{name: one[name] for name in ("task_id", "name", "started")} for one in self.runs()],
            "paused": [self.huey.name] if self._is_paused else [],
            "started": self._started,
        }

    def tasks(self) -> Iterable[dict[str, Any]]:
        """Of a task with a context, the one that Huey gives it is left out."""
        for name, kind in list(self.huey._registry._registry.items()):
            if not HELLO_NAME.fullmatch(name) and kind is not self.hello_task.task_class:
                function = function_of(kind)
                module = sys.modules.get(kind.__module__)
                wrapper = getattr(module, getattr(function, "__name__", ""), None)
                named = _CONTEXT if getattr(kind, "context", False) else ""
                yield registered.describe(name, function, kind, wrapper, given=functools.partial(_is_called, named))

    @property
    def _name(self) -> str:
        return f"{self.huey.name}@{platform.node()}:{self._home}"

    def _create_consumer(self, **options: Any) -> Any:
        """Nothing has been forked yet: the workers write to the spool of this process, which sends."""
        consumer = type(self.huey).create_consumer(self.huey, **options)
        with guard("huey.consumer"):
            assert self.host is not None and self.hooks is not None
            self.consumer, self._home, self._started = consumer, os.getpid(), now()
            self.hooks.worker = self._name
            self.forked = Forked(self.host.state, consumer, self._started) if self.forks() else None
            if self.forked is not None:
                self.forked.sweep()
                self.hooks.on_start, self.hooks.on_end = self.forked.note, self.forked.forget
            self._look()
            self.host.role("worker", self._name)
            run = consumer.run
            consumer.run = lambda: self._run(run)
        return consumer

    def _run(self, run: Any) -> None:
        try:
            run()
        finally:
            if self.host is not None and os.getpid() == self._home:
                if self.forked is not None:
                    self.forked.end()
                self.host.stop()

    def _dequeue(self) -> Any:
        """Huey's own, unless this worker is to take nothing, or to leave."""
        with guard("huey.dequeue"):
            if self.may_leave():
                raise KeyboardInterrupt  # how a worker of Huey ends without being started again
            if time.monotonic() - self._looked > LOOKS_EVERY:
                self._look()
        if self._is_paused:
            time.sleep(0.2)
            return None
        return type(self.huey).dequeue(self.huey)

    def _look(self) -> None:
        """What was asked may have been asked of another process of this worker, or before a restart."""
        assert self.host is not None
        self._looked = time.monotonic()
        self._is_paused = self.host.state.get(PAUSE + self.huey.name) is not None

    @guarded("huey.startup")
    def _on_startup(self) -> None:
        """In each worker, before its first task."""
        if self.forked is not None and os.getpid() != self._home:
            self.forked.begin()
            signal.signal(signal.SIGUSR1, self._cancel)

    def _cancel(self, *_: Any) -> None:
        """The task that was to be cancelled may have just ended, and another one runs."""
        if self.hooks is not None and self.forked is not None and self.hooks.turns.wants(self.forked.wanted()):
            raise Stopped

    @guarded("huey.shutdown")
    def _on_shutdown(self) -> None:
        if self.host is not None and os.getpid() != self._home:
            self.host.flush()


def _is_called(name: str, parameter: inspect.Parameter) -> bool:
    return parameter.name == name


def _hello() -> str:
    return "hello"


_hello.__name__ = "hello"

"""Celery as an engine: what is connected, and what runs here."""

from __future__ import annotations

import os
import platform
import socket
import threading
from collections.abc import Iterable
from typing import Any, ClassVar, Final

import celery
from celery import signals
from celery.worker import state as worker_state
from z4j_core import registered
from z4j_core.engine import Host, verb
from z4j_core.safety import guard, guarded

from z4j_celery.actions import REVOKES, Actions
from z4j_celery.control import HELLO, hello
from z4j_celery.facts import ENGINE, now
from z4j_celery.hooks import Hooks

_OWN: Final = "celery."


class CeleryEngine(Actions):
    name: ClassVar[str] = ENGINE

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.paused = set()
        self._starts: Any = None
        self._started = 0

    def version(self) -> str:
        return str(celery.__version__)

    def install(self, host: Host) -> None:
        if self.hooks is not None:
            return
        super().install(host)
        self.hooks = Hooks(host)
        self.hooks.connect()
        signals.worker_init.connect(self._on_init, weak=False, dispatch_uid="z4j.init")
        signals.worker_before_create_process.connect(self._on_fork, weak=False, dispatch_uid="z4j.fork")
        signals.worker_ready.connect(self.on_worker, weak=False, dispatch_uid="z4j.worker")
        signals.beat_init.connect(self.on_beat, weak=False, dispatch_uid="z4j.beat")

    def uninstall(self) -> None:
        if self.hooks is None:
            return
        signals.beat_init.disconnect(dispatch_uid="z4j.beat")
        signals.worker_ready.disconnect(dispatch_uid="z4j.worker")
        signals.worker_before_create_process.disconnect(dispatch_uid="z4j.fork")
        signals.worker_init.disconnect(dispatch_uid="z4j.init")
        self.hooks.disconnect()
        self.hooks = None
        super().uninstall()

    @verb(note="from the worker itself: no broadcast, no waiting for answers")
    def worker(self) -> dict[str, Any] | None:
        if self.consumer is None:
            return None
        return {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": self.version(),
            "queues": sorted({*self.app.amqp.queues.consume_from, *self.paused}),
            "concurrency": {"kind": self.pool_kind(), "size": self.pool.num_processes},
            "running": [
                {"task_id": request.id, "name": request.name, "started": round((request.time_start or 0) * 1_000_000)}
                for request in self.running()
            ],
            "paused": sorted(self.paused),
            "started": self._started,
        }

    def tasks(self) -> Iterable[dict[str, Any]]:
        """Celery's own are left out, and ours."""
        for name, task in list(self.app.tasks.items()):
            if not name.startswith(_OWN) and name != HELLO:
                yield registered.describe(name, task.run, task, type(task))

    @guarded("celery.init")
    def _on_init(self, sender: Any = None, **_: Any) -> None:
        """Nothing has been forked yet: the children will write to the spool of this process, which sends."""
        assert self.host is not None
        self.starting = True
        self.host.role("worker", sender.hostname)
        self._starts = sender.app
        self.restore_pauses(sender.app, sender.hostname)

    @guarded("celery.fork")
    def _on_fork(self, **_: Any) -> None:
        """A child is about to be made, which must know the task of ours. Not sooner: the worker has listed its tasks by
        now, and that list is as it ever was.
        """
        if self._starts is not None and HELLO not in self._starts.tasks:
            self._starts.task(name=HELLO, shared=False)(hello)

    @guarded("celery.worker")
    def on_worker(self, sender: Any = None, **_: Any) -> None:
        """The worker is about to take its first message. `sender` is its consumer."""
        assert self.host is not None
        self.consumer = sender
        self._started = now()
        self._warm_up()
        self._on_fork()
        if HELLO not in sender.strategies:
            sender.update_strategies()  # a pool without children
        self.restore_limits()
        self._renew_revokes()
        self.host.role("worker", sender.hostname)
        self.ready.set()

    @guarded("celery.beat")
    def on_beat(self, sender: Any = None, **_: Any) -> None:
        assert self.host is not None
        self.host.role("scheduler", f"beat@{platform.node()}")

    def _warm_up(self) -> None:
        """Make here what verbs and reads need, so that the agent's thread imports nothing while this process forks."""
        with guard("celery.warm_up"):
            _ = self.app.producer_pool, self.app.control.mailbox, self.app.backend
            if not self.obstacle("queues"):
                list(self.queues())

    def _renew_revokes(self) -> None:
        """A worker forgets on restart what it was told to drop; tasks that wait for their time would then run."""
        assert self.host is not None
        for key, until in self.host.state.items(REVOKES):
            if int(until) > now():
                worker_state.revoked.add(key.removeprefix(REVOKES))
            else:
                self.host.state.delete(key)

"""arq as an engine: what is watched, and what runs here."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, ClassVar
from weakref import WeakKeyDictionary, WeakSet

from arq.connections import ArqRedis
from arq.cron import CronJob
from arq.worker import Worker
from z4j_core import registered
from z4j_core.engine import Advice, Host, attach, verb
from z4j_core.redaction import Parameters
from z4j_core.safety import guarded

from z4j_arq.actions import PAUSE, Actions
from z4j_arq.advice import advice
from z4j_arq.broker import Broker
from z4j_arq.facts import ENGINE, HELLO, now
from z4j_arq.hooks import Hooks
from z4j_arq.seams import Seam, WorkerSeam, watch_pool

logger = logging.getLogger(__name__)


class ArqEngine(Actions):
    name: ClassVar[str] = ENGINE
    #: The adapter of this process, once an agent has taken it.
    installed: ClassVar[ArqEngine | None] = None

    def __init__(self) -> None:
        self.hooks: Hooks | None = None
        self.broker: Broker | None = None
        self.arq_worker: Worker | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.is_paused = False
        self.parameters: dict[str, Parameters] = {}
        self.known_queues: dict[str, None] = {}
        self._started = 0
        self._pools: WeakSet[ArqRedis] = WeakSet()
        self._pool_seams: WeakKeyDictionary[ArqRedis, Seam] = WeakKeyDictionary()
        self._worker_seam: WorkerSeam | None = None

    @classmethod
    def find(cls) -> ArqEngine:
        """One for the process: pools and the worker are handed to it as they are made."""
        return cls.installed or cls()

    def version(self) -> str:
        return version("arq")

    def install(self, host: Host) -> None:
        if self.host is not None:
            return
        super().install(host)
        type(self).installed = self
        self.hooks = Hooks(host, self.parameters, self.known_queues)
        for pool in self._pools:
            self._watch_pool(pool)
        self._watch_worker()

    def uninstall(self) -> None:
        if self.host is None:
            return
        self._leave_worker()
        for pool, seam in list(self._pool_seams.items()):
            seam.remove(pool)
        self._pool_seams.clear()
        self.hooks = None
        if type(self).installed is self:
            type(self).installed = None
        super().uninstall()

    def _watch_pool(self, pool: ArqRedis) -> None:
        if self.hooks is not None and pool not in self._pool_seams:
            self._pool_seams[pool] = watch_pool(pool, self.hooks)

    def _watch_worker(self) -> None:
        if self.hooks is not None and self.arq_worker is not None and self._worker_seam is None:
            self.hooks.worker, self.hooks.worker_name = self.arq_worker, self._name
            self._worker_seam = WorkerSeam(self.arq_worker, self.hooks)

    def _leave_worker(self) -> None:
        if self._worker_seam is not None and self.arq_worker is not None:
            self._worker_seam.remove(self.arq_worker)
            self._worker_seam = None

    @verb(note="from the worker itself; arq's health check tells of a queue, not of a worker")
    def worker(self) -> dict[str, Any] | None:
        if self.arq_worker is None or self.hooks is None:
            return None
        runs = [run for run in list(self.hooks.runs.values()) if run.started]
        return {
            "name": self._name,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": self.version(),
            "queues": [self.arq_worker.queue_name],
            "concurrency": {"kind": "asyncio", "size": self.arq_worker.max_jobs},
            "running": [
                {"task_id": run.job_id, "name": run.facts.get("name", ""), "started": run.started} for run in runs
            ],
            "paused": [self.arq_worker.queue_name] if self.is_paused else [],
            "started": self._started,
        }

    def tasks(self) -> Iterable[dict[str, Any]]:
        """The context, which arq gives, is left out; cron jobs are no functions that anybody calls."""
        functions = dict(self.arq_worker.functions) if self.arq_worker is not None else {}
        return [
            registered.describe(name, function.coroutine, function, context=True)
            for name, function in functions.items()
            if name != HELLO and not isinstance(function, CronJob)
        ]

    @property
    def _name(self) -> str:
        """arq's workers have no names."""
        queue = self.arq_worker.queue_name if self.arq_worker is not None else ""
        return f"{queue}@{socket.gethostname()}:{os.getpid()}"

    @verb(note="reads the worker's settings, and the code of its functions for calls that block")
    def advice(self) -> Iterable[Advice]:
        return advice(self.arq_worker) if self.arq_worker is not None else ()

    # Called where a pool or a worker is made.

    def observe(self, pool: ArqRedis) -> None:
        self._pools.add(pool)
        self._watch_pool(pool)

    def know(self, settings: Mapping[str, Any]) -> None:
        """What a worker would be made of. Nothing is opened."""
        if self.broker is None and settings.get("redis_pool") is None:
            self.broker = Broker.of_settings(settings)

    @guarded("arq.serve")
    def serve(self, worker: Worker) -> None:
        """`worker` starts in this loop and has taken nothing yet."""
        if self.arq_worker not in (None, worker):
            logger.error("This process has a second arq worker. Only the first one is observed.")
            return
        self.arq_worker, self.loop, self._started = worker, asyncio.get_running_loop(), now()
        self.observe(worker.pool)
        self._watch_worker()
        self.broker = Broker.of_worker(worker)
        if self.host is not None:
            self.is_paused = self.host.state.get(PAUSE + worker.queue_name) is not None
            if self.is_paused:
                worker.allow_pick_jobs = False
            self.host.role("worker", self._name)

    async def leave(self) -> None:
        """The worker has ended its last job. To say so may take a moment, for which its loop is not kept."""
        if self.host is not None and self.arq_worker is not None:
            await asyncio.get_running_loop().run_in_executor(None, self.host.stop)
        self._leave_worker()
        self.arq_worker = None


def present() -> ArqEngine:
    """The adapter of this process, in the hands of its agent if there is one."""
    engine = ArqEngine.find()
    if engine.host is None:
        attach(engine)
    return engine

"""The agent of a process: what adapters talk to. It starts with the first event or the worker role, never before.

Whatever goes wrong in here stays in here: the user's task, its result and its process are not ours to touch.
"""

from __future__ import annotations

import atexit
import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from z4j_core import safety, wire
from z4j_core.adapter import Adapter, Store
from z4j_core.engine import Engine
from z4j_core.redaction import Redactor
from z4j_core.scheduler import Scheduler

from z4j_bare.allow import AllowList
from z4j_bare.boot import Boot
from z4j_bare.config import Config
from z4j_bare.database import Unavailable
from z4j_bare.engines import discover, fits, is_second_app, schedulers
from z4j_bare.gate import gate
from z4j_bare.heartbeat import Heartbeat
from z4j_bare.losses import Losses
from z4j_bare.policies import Policies
from z4j_bare.presence import describe
from z4j_bare.problems import Problems
from z4j_bare.sealer import Sealer
from z4j_bare.state import State
from z4j_bare.vault import MAX_RECORD
from z4j_bare.writer import Original

logger = logging.getLogger(__name__)

PRODUCER: Final = "producer"
WORKER: Final = "worker"
SCHEDULER: Final = "scheduler"
#: Seconds between two attempts to start, when there is no place to write.
TRY_AGAIN: Final = 60.0


class Agent:
    """Fills `z4j_core.engine.Host`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.policies = Policies(lambda: self._folder)
        self.redactor = Redactor(config.redaction, self.policies.now)
        self.state: Store = State(lambda: self._folder / "state.db")
        self.adapters: dict[str, Adapter] = {}
        self.engines: dict[str, Engine] = {}
        self.schedulers: dict[str, Scheduler] = {}
        self._allow = AllowList(config.allow, config.deny, read_only=config.read_only, rate=config.rate)
        self.problems = Problems()
        self.sealer = Sealer(config, self.problems, lambda name: self.redactor.of(name).mode, self.policies.seal_key)
        self._role, self._name = PRODUCER, ""
        self._boot: Boot | None = None
        self._entered = 0
        self._entering = threading.RLock()
        self._start_at = 0.0
        self._closed = False
        self._watching_exit = False
        gate.register(self)

    def add(self, adapter: Adapter) -> None:
        """Install the hooks of an engine or a scheduler. One adapter for each of them."""
        with safety.guard(f"{adapter.name}.add"):
            first = self.adapters.get(adapter.name)
            if first is None and fits(adapter, self.problems):
                self._install(adapter)
            elif first is not None and is_second_app(adapter, first, self.problems):
                self._say_again()

    def _install(self, adapter: Adapter) -> None:
        with safety.guard(f"{adapter.name}.install"):
            self.adapters[adapter.name] = adapter
            if isinstance(adapter, Scheduler):
                self.schedulers[adapter.name] = adapter
            elif isinstance(adapter, Engine):
                self.engines[adapter.name] = adapter
            adapter.install(self)
            if self._boot is not None and self._boot.is_home:
                self._present(self._boot)

    def discover(self, *named: str) -> None:
        """Install the adapters of schedulers in use here, and of engines in use or that settings or `named` name."""
        for engine in discover({*self.config.engines, *named}, self.engines.keys(), self.problems):
            self.add(engine)
        self._discover_schedulers()

    def _discover_schedulers(self) -> None:
        for scheduler in schedulers(self.schedulers.keys(), self.problems):
            self.add(scheduler)

    def emit(self, event: Mapping[str, Any]) -> None:
        try:
            boot = self._boot if self._entered == os.getpid() else self._enter()
            if boot is not None:
                boot.put(self.sealer.attach(event))
        except Exception as error:
            safety.record("emit", error)

    def keep(self, task_id: str, blob: bytes) -> str:
        with safety.guard("keep"):
            boot = self._boot if self._entered == os.getpid() else self._enter()
            if boot is not None and len(blob) <= MAX_RECORD:
                vault = boot.vault.id
                if boot.writer.put(Original(task_id, blob)):
                    self.sealer.keep(task_id, blob)
                    return vault
        return ""

    def original(self, task_id: str) -> bytes | None:
        with safety.guard("original"):
            boot = self._boot if self._entered == os.getpid() else self._enter()
            if boot is not None:
                found = boot.original(task_id)
                found = self.sealer.lent(task_id) if found is None else found
                # It may be on its way there.
                return boot.original(task_id) if found is None and boot.writer.flush(0.5) else found
        return None

    def role(self, role: str, name: str = "") -> None:
        with safety.guard("role"), self._entering:
            if self._boot is not None and not self._boot.is_home and role != PRODUCER:
                self._boot = None  # a worker of its own, forked off a process that had something to say before
                self._entered = 0
            boot = self._boot if self._entered == os.getpid() else None
            if (role, self._role) != (SCHEDULER, WORKER) or boot is None:
                self._role, self._name = role, name  # a scheduler inside a worker takes nothing away from that
            if boot is not None:
                self._present(boot)
            elif role != PRODUCER:
                self._enter()

    def flush(self, timeout: float = 1.0) -> bool:
        with safety.guard("flush"):
            boot = self._boot
            return boot is None or self._entered != os.getpid() or boot.writer.flush(timeout)
        return False

    def stop(self, timeout: float = 2.0) -> None:
        with safety.guard("stop"):
            boot, entered = self._boot, self._entered
            if boot is None or entered != os.getpid():
                return
            if boot.is_home:
                self._losses.end()
                self._heartbeat.end()
            self._boot, self._entered = None, 0
            self._role, self._name = PRODUCER, ""
            boot.end(timeout)

    def close(self) -> None:
        """The interpreter ends: what is emitted from here on has nowhere to go."""
        self._closed = True
        self.stop()

    def discard(self) -> None:
        """Other settings are to be used: the engines are as they were before this agent."""
        self.close()
        for adapter in self.adapters.values():
            with safety.guard(f"{adapter.name}.uninstall"):
                adapter.uninstall()
        self.adapters.clear()
        self.engines.clear()
        self.schedulers.clear()

    def before_fork(self) -> None:
        """Nothing of the agent itself is open."""

    def after_fork(self, clean: bool) -> None:
        # Another thread of the parent may have held the lock; here there is no other thread.
        self._entering = threading.RLock()

    @cached_property
    def _folder(self) -> Path:
        return self.config.folder()

    def _enter(self) -> Boot | None:
        """The boot this process writes to: a new one, or the one it was forked with. None: there is no place for it."""
        with self._entering:
            if self._entered == os.getpid() or self._closed:
                return self._boot
            if self._boot is not None and not self._boot.is_home and not self._join(self._boot):
                self._boot = None
            if self._boot is None:
                self._boot = self._begin()
            if self._boot is not None:
                self._entered = os.getpid()
                if self._boot.is_home:
                    self._present(self._boot)
            return self._boot

    def _join(self, boot: Boot) -> bool:
        if not boot.enter():
            return False
        if self._role == PRODUCER and boot.inherit():
            self._lead(boot)
        return True

    def _begin(self) -> Boot | None:
        if time.monotonic() < self._start_at:
            return None
        try:
            boot = Boot(self.config, self._folder)
            boot.introduce(self._identity())
        except Unavailable as error:
            self._start_at = time.monotonic() + TRY_AGAIN
            logger.error("The z4j agent has no place to keep events and stays silent: %s", error)
            return None
        self._lead(boot)
        return boot

    def _lead(self, boot: Boot) -> None:
        if not self._watching_exit:
            self._watching_exit = True
            atexit.register(self.close)
        self._heartbeat = Heartbeat(boot, self.engines, self.config.code)
        self._losses = Losses(boot.spool.dropped, self._heartbeat.count)
        boot.send(self._heartbeat, self._losses)

    def _present(self, boot: Boot) -> None:
        """Say who this is and what may be asked of it; a worker then waits to be asked."""
        boot.introduce(self._identity())
        self._say_online(boot)
        if self._role == PRODUCER:
            return
        self._heartbeat.begin(self._name)
        if any(adapter.capabilities() for adapter in self.adapters.values()):
            boot.poll(
                self.engines, self.adapters, self._allow, self.sealer, self.policies, self.problems, self._say_again
            )
            boot.list_schedules(self.schedulers, self.problems, self._say_again, self._discover_schedulers)

    def _say_again(self) -> None:
        """Something about us is new: at home, where agent.online is said."""
        with safety.guard("say"):
            boot = self._boot
            if boot is not None and boot.is_home and self._entered == os.getpid():
                self._say_online(boot)

    def _say_online(self, boot: Boot) -> None:
        works = self._role != PRODUCER
        self.sealer.look()
        self.policies.tell(self.problems)
        data = describe(self.config, self.adapters, self._allow, self.policies, self.problems, works=works)
        data |= {"role": self._role, "vault": boot.vault.id if works else ""}
        data |= self.sealer.describe() if works else {}
        data |= {"witness": boot.witness()} if works else {}
        boot.put({"kind": wire.Kind.AGENT_ONLINE, "data": data})

    def _identity(self) -> wire.Identity:
        host, pid = socket.gethostname(), os.getpid()
        return wire.Identity(name=self._name or f"{host}:{pid}", host=host, pid=pid, role=self._role)

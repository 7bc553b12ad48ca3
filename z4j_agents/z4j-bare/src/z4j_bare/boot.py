"""One boot of the agent: an id, a spool that the forked children share, and the threads of this process.

The process that makes a boot is its home: it alone sends and polls. A forked child only writes, and only once it has
something to say.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from z4j_core import safety, wire
from z4j_core.adapter import Adapter
from z4j_core.engine import Engine
from z4j_core.scheduler import Scheduler

from z4j_bare.allow import AllowList
from z4j_bare.clock import Skew, now
from z4j_bare.config import Config
from z4j_bare.database import Unavailable
from z4j_bare.durable import is_durable
from z4j_bare.executor import Executor
from z4j_bare.gate import gate
from z4j_bare.inspection import Inspection
from z4j_bare.journal import Journal
from z4j_bare.listing import Listing
from z4j_bare.locks import BootLock
from z4j_bare.orphans import Orphans
from z4j_bare.policies import Policies
from z4j_bare.poller import Poller
from z4j_bare.problems import Problems
from z4j_bare.proofs import Proofs
from z4j_bare.sealer import Sealer
from z4j_bare.sender import Delivery, Errand, Sender
from z4j_bare.spool import Spool
from z4j_bare.transport import Transport
from z4j_bare.trust import Trust
from z4j_bare.vault import Vault
from z4j_bare.watch import Watch
from z4j_bare.witness import Witness
from z4j_bare.writer import Writer


class Boot:
    def __init__(self, config: Config, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._lock = _new_lock(folder)
        self.id = self._lock.path.stem
        self.home = os.getpid()
        self.spool = Spool(folder / f"{self.id}.db", self.id, cap=config.spool_cap)
        self.vault = Vault(folder / "vault.db", config.dsn.vault_key())
        self.writer = Writer(self.spool, self.vault, on_write=self._wake)
        self._who = ""
        self._sender: Sender | None = None
        self._orphans: Orphans | None = None
        self._poller: Poller | None = None
        self._watch: Watch | None = None
        self._listing: Listing | None = None
        self._witness: Witness | None = None
        self.skew = Skew()
        gate.register(self)

    @property
    def is_home(self) -> bool:
        return self.home == os.getpid()

    @property
    def failing(self) -> bool:
        """The brain did not take the last batch."""
        return self._sender is not None and self._sender.delivery.outage.failing

    def introduce(self, identity: wire.Identity) -> None:
        self._who = identity["name"]
        self.spool.introduce(identity)

    def send(self, *errands: Errand) -> None:
        transport = Transport(self._config.dsn)
        delivery = Delivery(transport, self.skew)
        self._orphans = Orphans(self._folder, delivery, cap=self._config.spool_cap)
        self._sender = Sender(self.spool, delivery, *errands, self._orphans)
        self._sender.start()

    def poll(
        self,
        engines: Mapping[str, Engine],
        adapters: Mapping[str, Adapter],
        allow: AllowList,
        sealer: Sealer,
        policies: Policies,
        problems: Problems,
        say: Callable[[], None],
    ) -> None:
        """Wait for commands and watch the queues, from now on. Twice is once. `say`: tell anew who this is."""
        if self._poller is None:
            transport = Transport(self._config.dsn)
            journal = Journal(self._folder / "journal.db")
            trust = Trust(self._config.dsn.key, transport)
            self._witness = Witness(
                self._folder, trust, transport, problems, say, accept=self._config.accept_generation
            )
            proofs = Proofs(self._witness, required=self._config.require_proof)
            inspection = Inspection(self._config.dsn, self.id, trust, allow, proofs)
            executor = Executor(journal, adapters, allow, sealer, self.original)
            self._watch = Watch(engines, problems, self.put, say, lambda: self.failing)
            self._poller = Poller(
                self.id,
                transport,
                inspection,
                executor,
                journal,
                self._witness,
                policies,
                self._watch.look,
                say,
                self.skew,
            )
            if self._sender is not None:
                self._poller.outage.stand_beside(self._sender.delivery.outage)
            self._poller.start()
            self._watch.start()

    def list_schedules(
        self,
        schedulers: Mapping[str, Scheduler],
        problems: Problems,
        say: Callable[[], None],
        discover: Callable[[], None],
    ) -> None:
        """Tell of schedules from now on, also of those whose scheduler comes into use later. Twice is once."""
        if self._listing is None:
            self._listing = Listing(schedulers, problems, self.put, say, lambda: self.failing, discover, self._who)
            self._listing.start()

    def witness(self) -> dict[str, Any]:
        """What this host remembers of the brain's log, and whether that outlives the machine's next start."""
        told: dict[str, Any] = {"durable": is_durable(self._folder, chosen=self._config.spool_dir is not None)}
        if self._witness is not None:
            with safety.guard("witness"):
                told |= self._witness.facts()
        return told

    def enter(self) -> bool:
        """In a forked child, before its first event. False: this boot has ended and its files are gone."""
        return self._lock.join()

    def inherit(self) -> bool:
        """In a forked child: nobody sends any more, so this process does."""
        if not self._lock.lead():
            return False
        self.home = os.getpid()
        return True

    def original(self, task_id: str) -> bytes | None:
        found = self.vault.original(task_id)
        if found is None and (previous := self._previous()) is not None:
            found = previous.original(task_id)
            previous.file.close()
        return found

    def put(self, event: Mapping[str, Any]) -> None:
        self.writer.put({"ts": now(), **event})

    def end(self, timeout: float) -> None:
        """Write what is in memory; at home also send it, as far as that works in time, and clean up behind us."""
        deadline = time.monotonic() + timeout
        if self._poller is not None:
            self._poller.end()
        if self._watch is not None:
            self._watch.end()
        if self._listing is not None:
            self._listing.end()
        self.writer.end(timeout)
        if self._sender is not None and self._sender.finish(max(deadline - time.monotonic(), 0.05)):
            self._clean_up()
        for database in (self.spool.file, self.vault.file):
            with safety.guard("boot.end"):
                database.close()
        self._lock.release()

    def before_fork(self) -> None:
        """The databases close themselves."""

    def after_fork(self, clean: bool) -> None:
        self.writer = Writer(self.spool, self.vault, on_write=self._wake)
        self._sender = self._orphans = self._poller = self._watch = self._listing = self._witness = None

    def _wake(self) -> None:
        if self._sender is not None:
            self._sender.wake()

    def _clean_up(self) -> None:
        with safety.guard("boot.end"):
            if self._orphans is not None:
                self._orphans.close()
            if self._lock.last() and self.spool.is_empty():
                self.spool.file.remove()
                self._lock.remove()

    def _previous(self) -> Vault | None:
        """The vault of the key before this one, while it still holds records."""
        previous = self._config.previous
        if previous is None:
            return None
        path = self._folder.parent / previous.kid / "vault.db"
        return Vault(path, previous.vault_key()) if path.exists() else None


def _new_lock(folder: Path) -> BootLock:
    """A boot of its own. Who looks for orphans at this very moment may take the new file for one: then another."""
    for _ in range(10):
        lock = BootLock(folder / f"{uuid.uuid4()}.lock", create=True)
        if lock.lead() and lock.join():
            return lock
        lock.release()
    raise Unavailable(f"{folder} does not support locks.")

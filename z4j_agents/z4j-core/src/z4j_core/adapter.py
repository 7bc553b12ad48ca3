"""What engines and schedulers have in common as adapters: hooks that are installed, verbs that are offered and done."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from z4j_core import safety
from z4j_core.verbs import Support
from z4j_core.wire import Command, Outcome
from z4j_core.wire import Target as WireTarget

if TYPE_CHECKING:
    from z4j_core.redaction import Redactor

AGENT_GROUP: Final = "z4j.agent"


@dataclass(frozen=True, slots=True)
class Target:
    """One target of one command, as an adapter sees it: a task, a queue, or this worker."""

    task_id: str = ""
    command: str = ""
    item: int = 0
    name: str = ""
    queue: str = ""
    worker: str = ""
    vault: str = ""
    #: When the command stops being valid, microseconds since the epoch; 0: never.
    expires: int = 0
    #: Somebody may have carried this out before, and was cut off.
    again: bool = False

    @classmethod
    def from_wire(cls, command: Command, target: WireTarget, *, again: bool = False) -> Target:
        return cls(
            task_id=target["task_id"],
            command=command["id"],
            item=target["item"],
            name=target.get("name", ""),
            queue=target.get("queue", ""),
            worker=target.get("worker", ""),
            vault=target.get("vault", ""),
            expires=command["expires"],
            again=again,
        )

    def new_task_id(self) -> str:
        """The id of a task made for this target: the same each time the command is delivered."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"z4j/{self.command}/{self.item}/{self.task_id}"))


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one target. `detail` is a sentence for people and holds no user data."""

    outcome: Outcome
    detail: str = ""
    new_task_id: str | None = None


class Store(Protocol):
    """A small durable map of this worker: survives restarts, is shared by its processes, is not a queue."""

    def get(self, key: str) -> bytes | None: ...
    def put(self, key: str, value: bytes) -> None: ...
    def delete(self, key: str) -> None: ...
    def items(self, prefix: str) -> list[tuple[str, bytes]]:
        """Entries whose key starts with `prefix`."""


class Host(Protocol):
    """What the agent does for an adapter. Nothing here blocks on a network or raises."""

    @property
    def redactor(self) -> Redactor: ...
    @property
    def state(self) -> Store: ...

    def emit(self, event: Mapping[str, Any]) -> None:
        """Report one fact: a `wire.Event` without `seq`. `ts` defaults to now. Works in any thread and after a fork."""

    def keep(self, task_id: str, blob: bytes) -> str:
        """Keep the original of a task, encrypted, on this side. The id of the vault, or "" when it was not kept: for
        the next event of the task from this process, with its name; to that the agent adds it sealed, if it is to.
        """

    def original(self, task_id: str) -> bytes | None:
        """What was kept of a task."""

    def role(self, role: str, name: str = "") -> None:
        """This process is a "worker", "producer" or "scheduler" called `name`. A worker's agent starts now: say it
        before the first child is forked, and again when `Engine.worker()` has facts. Those it reports as worker.online,
        every 10 s as worker.heartbeat, and worker.offline at `stop`.
        """

    def flush(self, timeout: float = 1.0) -> bool:
        """Spool what is still in memory: before this process ends in a way that runs no exit handler."""

    def stop(self, timeout: float = 2.0) -> None:
        """This worker is going down: say so, flush, end the agent's threads. Emitting afterwards is harmless."""


class Adapter:
    """One library in one process. A port is a subclass that names its verbs and reads and says what each promises; an
    adapter is a subclass of a port that overrides those it can do.
    """

    name: ClassVar[str] = ""
    #: Of its port; an agent refuses an adapter written for another.
    port: ClassVar[int] = 1
    #: What the port has, and which class it is: what is not overridden there is not offered.
    verbs: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[tuple[str, ...]] = ()
    of_port: ClassVar[type[Adapter]]
    #: For each verb it has no method for, why: a sentence for people.
    lacks: ClassVar[Mapping[str, str]] = {}
    host: Host | None = None
    #: The one app or broker object whose hooks these are; None when they serve every app of the process.
    bound: object = None

    @classmethod
    def find(cls) -> Adapter | None:
        """The adapter for what this process has of the library: its one app or broker object, where there is one to be
        found. None when there is nothing to attach to (yet). Called when the library is imported.
        """
        return cls()

    def version(self) -> str:
        """Of the library."""
        return ""

    def install(self, host: Host) -> None:
        """Connect the hooks. Twice is once. No I/O, no thread; called long before anything runs."""
        self.host = host

    def uninstall(self) -> None:
        """Disconnect what `install` connected: the library is as before."""
        self.host = None

    def session(self) -> AbstractContextManager[object]:
        """Around the targets of one command: what is opened for one of them may serve the others."""
        return nullcontext()

    # What is offered.

    def note(self, verb: str) -> str:
        """What people should know about a verb here and now."""
        return str(getattr(getattr(self, verb), "note", ""))

    def obstacle(self, verb: str) -> str:
        """Why a verb cannot be offered here and now, as a sentence; empty when it can. Cheap, no network."""
        return self.lacks.get(verb, "")

    def capabilities(self) -> dict[str, dict[str, str]]:
        """The verbs and reads that can be done, each with its note and whether it is native or emulated."""
        return {
            name: {"note": self.note(name), "support": str(getattr(getattr(self, name), "support", Support.NATIVE))}
            for name in (*self.verbs, *self.reads)
            if self.defines(name) and not self.obstacle(name)
        }

    def missing(self) -> dict[str, str]:
        """The verbs it cannot do here and now, each with the reason that people read where they look for the button."""
        offered = self.capabilities()
        return {
            name: self.obstacle(name) or f"{self.name} cannot do this." for name in self.verbs if name not in offered
        }

    def act(self, verb: str, target: Target, params: Mapping[str, Any]) -> Answer:
        """Carry out one verb on one target. Never raises: what a verb raises is `failed`, by the name of its type."""
        if verb not in self.verbs or not self.defines(verb):
            return Answer(Outcome.UNSUPPORTED, self.lacks.get(verb) or f"{self.name} cannot {verb}.")
        if why := self.obstacle(verb):
            return Answer(Outcome.UNSUPPORTED, why)
        try:
            return self._carry_out(verb, target, params)
        except Exception as error:
            safety.record(f"{self.name}.{verb}", error)
            return self._raised(verb, target, error, f"{type(error).__name__} while asking {self.name} to {verb}")

    def _carry_out(self, verb: str, target: Target, params: Mapping[str, Any]) -> Answer:
        answer: Answer = getattr(self, verb)(target, params)
        return answer

    def _raised(self, verb: str, target: Target, error: Exception, why: str) -> Answer:
        return Answer(Outcome.FAILED, f"{why}.")

    @classmethod
    def defines(cls, name: str) -> bool:
        """Whether this adapter overrides a verb or a read of its port."""
        return getattr(cls, name, None) is not getattr(cls.of_port, name, None)


def attach(adapter: Adapter) -> bool:
    """Hand `adapter` to the agent of this process. False when no agent is installed or it has no DSN: nothing happens.

    The agent is the entry point in group `z4j.agent`: a callable `(adapter) -> bool` that reads its own configuration,
    calls `adapter.install(host)` and is harmless when called twice for one adapter.
    """
    for found in entry_points(group=AGENT_GROUP):
        with safety.guard("attach"):
            return bool(found.load()(adapter))
    return False

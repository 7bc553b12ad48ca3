"""The port between one engine and the agent of a process: what an adapter is given, and what it may be asked.

An adapter is a subclass of `Engine`: `install` connects the engine's own hooks and reports facts by `host.emit`;
each verb it can carry out is a method it overrides. That is also how the brain learns what is possible: a capability
is an overridden verb, never a flag beside it. Registered by entry point: `celery = "z4j_celery:CeleryEngine"` in group
`z4j.engines`.

The agent of a process fills `Host`. An adapter that learns by itself that it is needed (a command line hook, one line
in the user's code) calls `attach(engine)`, which finds the agent by entry point `z4j.agent`; so an adapter imports
`z4j_core` and its own engine, nothing else.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeVar

from z4j_core import safety
from z4j_core.wire import Command, Outcome
from z4j_core.wire import Target as WireTarget

if TYPE_CHECKING:
    from z4j_core.redaction import Redactor

AGENT_GROUP: Final = "z4j.agent"
ENGINE_GROUP: Final = "z4j.engines"

#: What an adapter may be asked to do. Each is a method of `Engine`.
VERBS: Final = ("retry", "cancel")

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Target:
    """One target of one command, as an adapter sees it."""

    task_id: str
    command: str
    item: int = 0
    name: str = ""
    queue: str = ""
    vault: str = ""
    #: When the command stops being valid, microseconds since the epoch; 0: never.
    expires: int = 0

    @classmethod
    def from_wire(cls, command: Command, target: WireTarget) -> Target:
        return cls(
            task_id=target["task_id"],
            command=command["id"],
            item=target["item"],
            name=target.get("name", ""),
            queue=target.get("queue", ""),
            vault=target.get("vault", ""),
            expires=command["expires"],
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
        """Keep the original of a task, encrypted, on this side. The id of the vault, or "" when it was not kept."""

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


def verb(note: str = "") -> Callable[[F], F]:
    """Tell people what a verb of this engine really does: `@verb(note="kills the child process when running")`."""

    def decorate(method: F) -> F:
        method.note = note  # type: ignore[attr-defined]
        return method

    return decorate


class Engine:
    """One engine in one process. Subclasses set `name`, override `install`, `uninstall` and the verbs they can do."""

    name: ClassVar[str] = ""
    #: Of this port; an agent refuses an adapter written for another.
    port: ClassVar[int] = 1
    host: Host | None = None

    def version(self) -> str:
        """Of the engine's library."""
        return ""

    def install(self, host: Host) -> None:
        """Connect the hooks. Twice is once. No I/O, no thread; called long before anything runs."""
        self.host = host

    def uninstall(self) -> None:
        """Disconnect what `install` connected: the engine is as before."""
        self.host = None

    def worker(self) -> dict[str, Any] | None:
        """What runs here: host, pid, version, queues, concurrency {kind, size}, running [{task_id, name, started}],
        started. None outside a worker. Asked from the agent's thread: cheap, no network. `name` is the worker's name.
        """
        return None

    def retry(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """Run the task again with its original arguments, under `target.new_task_id()`. DONE: it is enqueued."""
        raise NotImplementedError

    def cancel(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """Stop the task. REQUESTED: the engine took the wish; an event confirms it. DONE: it is certain already."""
        raise NotImplementedError

    def note(self, verb: str) -> str:
        """What people should know about a verb here and now."""
        return str(getattr(getattr(self, verb), "note", ""))

    def capabilities(self) -> dict[str, dict[str, str]]:
        """The verbs this engine can do, each with its note."""
        return {name: {"note": self.note(name)} for name in VERBS if self._defines(name)}

    def act(self, verb: str, target: Target, params: Mapping[str, Any]) -> Answer:
        """Carry out one verb on one target. Never raises: what a verb raises is `failed`, by the name of its type."""
        if not self._defines(verb):
            return Answer(Outcome.UNSUPPORTED, f"{self.name} cannot {verb}.")
        method = functools.partial(getattr(self, verb), target, params)
        try:
            return method()  # type: ignore[no-any-return]
        except Exception as error:
            safety.record(f"{self.name}.{verb}", error)
            return Answer(Outcome.FAILED, f"{type(error).__name__} while asking {self.name} to {verb}.")

    def _defines(self, verb: str) -> bool:
        return verb in VERBS and getattr(type(self), verb) is not getattr(Engine, verb)


def attach(engine: Engine) -> bool:
    """Hand `engine` to the agent of this process. False when no agent is installed or it has no DSN: nothing happens.

    The agent is the entry point in group `z4j.agent`: a callable `(engine) -> bool` that reads its own configuration,
    calls `engine.install(host)` and is harmless when called twice for one engine.
    """
    for found in entry_points(group=AGENT_GROUP):
        with safety.guard("attach"):
            return bool(found.load()(engine))
    return False

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

import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from z4j_core import safety
from z4j_core.lost import is_lost
from z4j_core.verbs import MAKES, READS, VERBS, Support, emulated, verb
from z4j_core.wire import Command, Kind, Outcome, QueueFacts, Source
from z4j_core.wire import Target as WireTarget

if TYPE_CHECKING:
    from z4j_core.redaction import Redactor

__all__ = ["Advice", "Answer", "Engine", "Host", "Store", "Support", "Target", "attach", "emulated", "verb"]

AGENT_GROUP: Final = "z4j.agent"
ENGINE_GROUP: Final = "z4j.engines"
_UNKNOWN: Final = (
    "{}, and nobody here can tell whether it was sent. It is not sent again by itself: look for the task {}, and ask"
    " again if it does not appear."
)
_CUT_OFF: Final = "Who was to send it was cut off in the act"


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


@dataclass(frozen=True, slots=True)
class Advice:
    """Something in the engine's configuration that will hurt: what, and what to write instead.

    `code` is a short stable word with hyphens; `text` and `fix` are sentences for people and hold no secret.
    """

    code: str
    text: str
    fix: str


class Engine:
    """One engine in one process. Subclasses set `name`, override `install`, `uninstall` and the verbs they can do."""

    name: ClassVar[str] = ""
    #: Of this port; an agent refuses an adapter written for another.
    port: ClassVar[int] = 1
    #: For each verb it has no method for, why: a sentence for people.
    lacks: ClassVar[Mapping[str, str]] = {}
    host: Host | None = None
    #: The one app or broker object whose hooks these are; None when they serve every app of the process.
    bound: object = None

    @classmethod
    def find(cls) -> Engine | None:
        """The adapter for what this process has of the engine: its one app or broker object, where there is one to be
        found. None when there is nothing to attach to (yet). Called when the engine's library is imported.
        """
        return cls()

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
        started, paused (names of queues). None outside a worker. Asked from the agent's thread: cheap, no network.
        `name` is the worker's name.
        """
        return None

    def tasks(self) -> Iterable[Mapping[str, Any]]:
        """The tasks that this worker has registered, each as `z4j_core.registered.describe` makes it. Asked once, when
        the worker comes online: no network.
        """
        return ()

    # Reads. The agent asks from a thread of its own; each may talk to the user's broker for up to 2 s.

    def queues(self) -> Iterable[QueueFacts]:
        """The queues that can be seen from here, measured now."""
        raise NotImplementedError

    def peek(self, queue: str, limit: int) -> Iterable[Mapping[str, Any]]:
        """Messages that wait in a queue, oldest first, each as the event that would tell of it (task.enqueued), and
        dead letters as task.dead_lettered. Arguments are redacted. Nothing is taken out.
        """
        raise NotImplementedError

    def lookup(self, targets: Sequence[Target]) -> Iterable[Mapping[str, Any]]:
        """What the engine's own store says of these tasks, as events: an end it knows of, task.enqueued for one that
        waits, task.started for one that a live worker holds. Nothing for a task it does not know.
        """
        raise NotImplementedError

    def advice(self) -> Iterable[Advice]:
        """What in this engine's configuration will hurt. Reads settings, changes nothing, needs no broker."""
        raise NotImplementedError

    # Around verbs.

    def session(self) -> AbstractContextManager[object]:
        """Around the targets of one command: what is opened for one of them may serve the others."""
        return nullcontext()

    def landed(self, target: Target) -> bool | None:
        """Whether the task `target.new_task_id()` has come to the engine, whatever became of it since. False: it
        certainly has not, and may be sent. None: nobody can know. Asked of a target that somebody was cut off in.
        """
        return None

    # Verbs on a task.

    def retry(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """Run the task again with its original arguments, under `target.new_task_id()`. DONE: it is enqueued."""
        raise NotImplementedError

    def retry_with(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """As `retry`, with `params["args"]` (a list) and `params["kwargs"]` (a dict) of plain JSON instead."""
        raise NotImplementedError

    def run(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """Send the registered task called `target.name` under `target.new_task_id()`, with `params["args"]` (a list)
        and `params["kwargs"]` (a dict) of plain JSON, to `target.queue` ("": where it goes by itself). NOT_FOUND: no
        task is called that here.
        """
        raise NotImplementedError

    def cancel(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """Stop the task. REQUESTED: the engine took the wish; an event confirms it. DONE: it is certain already."""
        raise NotImplementedError

    def requeue(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """Put a dead letter back into its queue, under its own id."""
        raise NotImplementedError

    def move(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """Take a waiting task out of its queue and put it into `params["queue"]`."""
        raise NotImplementedError

    # Verbs on a queue. An empty `target.queue` means every queue of this worker.

    def purge(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """Throw away what waits in one queue. `detail`: how many messages went, and whether dead letters did too."""
        raise NotImplementedError

    def pause(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """This worker takes nothing more from the queue, also after a restart, until `resume`."""
        raise NotImplementedError

    def resume(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """This worker takes from the queue again."""
        raise NotImplementedError

    # Verbs on this worker.

    def grow(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """Run `params["by"]` (1 when absent) tasks more at once."""
        raise NotImplementedError

    def shrink(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """Run `params["by"]` (1 when absent) tasks fewer at once."""
        raise NotImplementedError

    def autoscale(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """Keep the pool between `params["min"]` and `params["max"]`."""
        raise NotImplementedError

    def restart_pool(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """Replace the processes that run tasks; the worker itself stays."""
        raise NotImplementedError

    def restart(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """The worker ends warmly and comes back by itself."""
        raise NotImplementedError

    def stop(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """The worker ends warmly; coming back is its supervisor's business."""
        raise NotImplementedError

    def rate_limit(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """Start no more than `params["rate"]` (as the engine writes it) of the tasks called `params["name"]`."""
        raise NotImplementedError

    def time_limit(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """End tasks called `params["name"]` after `params["soft"]` and `params["hard"]` seconds."""
        raise NotImplementedError

    def hello(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """Send a harmless task of ours, named as `wire.HELLO_NAME` says, the way users send theirs. `new_task_id`: its
        id. `params["queue"]` chooses the queue. Workers with this adapter can run it.
        """
        raise NotImplementedError

    # What is offered.

    def note(self, verb: str) -> str:
        """What people should know about a verb here and now."""
        return str(getattr(getattr(self, verb), "note", ""))

    def obstacle(self, verb: str) -> str:
        """Why a verb cannot be offered here and now, as a sentence; empty when it can. Cheap, no network."""
        return self.lacks.get(verb, "")

    def capabilities(self) -> dict[str, dict[str, str]]:
        """The verbs and reads this engine can do, each with its note and whether it is native or emulated."""
        return {
            name: {"note": self.note(name), "support": str(getattr(getattr(self, name), "support", Support.NATIVE))}
            for name in (*VERBS, *READS)
            if self.defines(name) and not self.obstacle(name)
        }

    def missing(self) -> dict[str, str]:
        """The verbs it cannot do here and now, each with the reason that people read where they look for the button."""
        offered = self.capabilities()
        return {name: self.obstacle(name) or f"{self.name} cannot do this." for name in VERBS if name not in offered}

    def act(self, verb: str, target: Target, params: Mapping[str, Any]) -> Answer:
        """Carry out one verb on one target. Never raises: what a verb raises is `failed`, by the name of its type.

        A task that was to be made is `unknown` when the connection was lost over it and `landed` cannot tell: events
        may still tell of it, and who asks for what failed once more must not make it twice.
        """
        if verb not in VERBS or not self.defines(verb):
            return Answer(Outcome.UNSUPPORTED, self.lacks.get(verb) or f"{self.name} cannot {verb}.")
        if why := self.obstacle(verb):
            return Answer(Outcome.UNSUPPORTED, why)
        try:
            known = self._resolved(target) if target.again and verb in MAKES else None
            return known or getattr(self, verb)(target, params)
        except Exception as error:
            safety.record(f"{self.name}.{verb}", error)
            why = f"{type(error).__name__} while asking {self.name} to {verb}"
            # The broker may have taken the task before its answer was lost.
            landed = self._has_landed(target) if verb in MAKES else False
            if landed:
                return self._sent(target)
            if landed is None and is_lost(error):
                return self._doubted(target, why)
            return Answer(Outcome.FAILED, f"{why}.")

    def _resolved(self, target: Target) -> Answer | None:
        """What became of a task that somebody may have made before. None: nobody has, and it may be made."""
        landed = self._has_landed(target)
        if landed is None:
            return self._doubted(target, _CUT_OFF)
        return self._sent(target) if landed else None

    @staticmethod
    def _doubted(target: Target, why: str) -> Answer:
        return Answer(Outcome.UNKNOWN, _UNKNOWN.format(why, target.new_task_id()))

    def _has_landed(self, target: Target) -> bool | None:
        with safety.guard(f"{self.name}.landed"):
            return self.landed(target)
        return None

    def _sent(self, target: Target) -> Answer:
        """It is there. Whoever sent it may not have come to tell of it."""
        task_id = target.new_task_id()
        told = {"name": target.name, "queue": target.queue, "retry_of": target.task_id}
        event = {"kind": Kind.TASK_ENQUEUED, "engine": self.name, "task_id": task_id, "source": Source.ACTION}
        if self.host is not None:
            self.host.emit({**event, **{name: value for name, value in told.items() if value}})
        return Answer(Outcome.DONE, new_task_id=task_id)

    @classmethod
    def defines(cls, name: str) -> bool:
        """Whether this adapter overrides a verb or a read."""
        return getattr(cls, name) is not getattr(Engine, name)


def attach(engine: Engine) -> bool:
    """Hand `engine` to the agent of this process. False when no agent is installed or it has no DSN: nothing happens.

    The agent is the entry point in group `z4j.agent`: a callable `(engine) -> bool` that reads its own configuration,
    calls `engine.install(host)` and is harmless when called twice for one engine.
    """
    for found in entry_points(group=AGENT_GROUP):
        with safety.guard("attach"):
            return bool(found.load()(engine))
    return False

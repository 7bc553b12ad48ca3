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

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from z4j_core import safety
from z4j_core.adapter import Adapter, Answer, Host, Store, Target, attach
from z4j_core.lost import is_lost
from z4j_core.verbs import MAKES, READS, VERBS, Support, emulated, verb
from z4j_core.wire import MAX_ID, Kind, Outcome, QueueFacts, Source

__all__ = ["Advice", "Answer", "Engine", "Host", "Store", "Support", "Target", "attach", "emulated", "verb"]

ENGINE_GROUP: Final = "z4j.engines"
_UNKNOWN: Final = (
    "{}, and nobody here can tell whether it was sent. It is not sent again by itself: look for the task {}, and ask"
    " again if it does not appear."
)
_CUT_OFF: Final = "Who was to send it was cut off in the act"


@dataclass(frozen=True, slots=True)
class Advice:
    """Something in the engine's configuration that will hurt: what, and what to write instead.

    `code` is a short stable word with hyphens; `text` and `fix` are sentences for people and hold no secret.
    """

    code: str
    text: str
    fix: str


class Engine(Adapter):
    """One engine in one process. Subclasses set `name`, override `install`, `uninstall` and the verbs they can do."""

    verbs: ClassVar[tuple[str, ...]] = tuple(VERBS)
    reads: ClassVar[tuple[str, ...]] = READS

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

    # What becomes of a verb.

    def _carry_out(self, verb: str, target: Target, params: Mapping[str, Any]) -> Answer:
        known = self._resolved(target) if target.again and verb in MAKES else None
        answer = known or super()._carry_out(verb, target, params)
        if answer.new_task_id and (schedule := params.get("schedule")):
            self._emit_of(answer.new_task_id, {"schedule": str(schedule)[:MAX_ID]})
        return answer

    def _raised(self, verb: str, target: Target, error: Exception, why: str) -> Answer:
        """A task that was to be made is `unknown` when the connection was lost over it and `landed` cannot tell: events
        may still tell of it, and who asks for what failed once more must not make it twice.
        """
        # The broker may have taken the task before its answer was lost.
        landed = self._has_landed(target) if verb in MAKES else False
        if landed:
            return self._sent(target)
        return self._doubted(target, why) if landed is None and is_lost(error) else Answer(Outcome.FAILED, f"{why}.")

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
        self._emit_of(task_id, {name: value for name, value in told.items() if value})
        return Answer(Outcome.DONE, new_task_id=task_id)

    def _emit_of(self, task_id: str, told: Mapping[str, str]) -> None:
        """Of a task that an action has made."""
        if self.host is not None:
            event = {"kind": Kind.TASK_ENQUEUED, "engine": self.name, "task_id": task_id, "source": Source.ACTION}
            self.host.emit({**event, **told})


Engine.of_port = Engine

"""What people may ask of Dramatiq's queues and workers. It runs in the agent's thread of a worker process."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from dramatiq.common import dq_name
from dramatiq.message import Message
from z4j_core.engine import Answer, Target, emulated, verb
from z4j_core.verbs import VERBS
from z4j_core.wire import Kind, Outcome

from z4j_dramatiq import pauses
from z4j_dramatiq.actions import Actions
from z4j_dramatiq.hooks import PAUSE
from z4j_dramatiq.stores import InRedis

HELLO: Final = "z4j.hello"
_LOOKS: Final = "RabbitMQ shows a message only to who takes it; to look at all of them would mark all as redelivered."
_STRANGE: Final = "This broker is neither Redis nor RabbitMQ; what it keeps cannot be looked at."
_NO_MASTER: Final = "It is no child of the dramatiq command's master, or that is a container's first process."
#: What every process that the dramatiq command makes has imported.
_COMMAND: Final = "dramatiq.cli"
_KEPT: Final = ("queues", "peek", "requeue", "move", "purge")


class Steering(Actions):
    lacks: ClassVar[Mapping[str, str]] = {
        "autoscale": "Dramatiq keeps the number of threads it was started with; use grow and shrink.",
        "restart_pool": "Threads are not restarted; use restart, which replaces the processes.",
        "rate_limit": "Dramatiq's rate limiters stand in the code of an actor.",
        "time_limit": "An actor's time limit is fixed when a message starts.",
    }

    def obstacle(self, verb: str) -> str:
        if why := self.lacks.get(verb, ""):
            return why
        if verb in _KEPT and self.store is None:
            return _STRANGE
        if verb == "peek" and not isinstance(self.store, InRedis):
            return _LOOKS
        if self.dramatiq_worker is None and verb in VERBS and verb != "hello":
            return "Only a worker can do this; this process sends messages."
        if verb in ("restart", "stop") and _master() is None:
            return _NO_MASTER
        if verb == "restart" and not _finds_python():
            return "It was started by `python -m dramatiq`, which finds no way back here; start it by `dramatiq`."
        return ""

    # On a queue.

    @emulated(note="waiting and delayed messages are deleted one by one; what workers hold and dead letters stay")
    def purge(self, target: Target, params: Mapping[str, Any]) -> Answer:
        if self.store is None or target.queue not in self.broker.get_declared_queues():
            return Answer(Outcome.NOT_FOUND, f"No queue is called {target.queue} here.")
        count = 0
        for name in (target.queue, dq_name(target.queue)):
            for message in self.store.drain(name):
                count += 1
                self._tell(Kind.TASK_CANCELLED, message)
        return Answer(Outcome.DONE, f"{count} messages were deleted; dead letters and what workers hold stay.")

    @verb(note="this worker process fetches nothing more; what it has fetched it still runs")
    def pause(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.host is not None
        names = self._named(target)
        for name in names:
            self.host.state.put(PAUSE + name, b"1")
        pauses.pause(self.dramatiq_worker.consumers[name] for name in names)
        return Answer(Outcome.DONE)

    @verb(note="this worker process fetches again, after a few seconds")
    def resume(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.host is not None
        for name in self._named(target):
            self.host.state.delete(PAUSE + name)
            pauses.resume(self.dramatiq_worker.consumers[name])
        return Answer(Outcome.DONE)

    def _named(self, target: Target) -> list[str]:
        return [name for name in self.consumed() if target.queue in ("", name)]

    # On this worker.

    @emulated(note="starts more threads in this process")
    def grow(self, target: Target, params: Mapping[str, Any]) -> Answer:
        for _ in range(_number(params)):
            self.dramatiq_worker._add_worker()
        return Answer(Outcome.DONE, f"{self.size()} threads.")

    @emulated(note="threads end when they have done what they run, or within a second")
    def shrink(self, target: Target, params: Mapping[str, Any]) -> Answer:
        # They stay in Dramatiq's list, so that a warm shutdown waits for them too.
        staying = [thread for thread in self.dramatiq_worker.workers if thread.is_alive() and thread.running]
        count = max(min(_number(params), len(staying) - 1), 0)
        for thread in staying[len(staying) - count :]:
            thread.stop()
        return Answer(Outcome.DONE, f"{len(staying) - count} threads stay.")

    def size(self) -> int:
        return sum(thread.is_alive() for thread in list(self.dramatiq_worker.workers))

    @verb(note="the master process starts itself and all its worker processes anew")
    def restart(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return _tell_master(signal.SIGHUP, "Its master starts anew when the messages that run are done.")

    @verb(note="the master process ends with all its worker processes; coming back is its supervisor's business")
    def stop(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return _tell_master(signal.SIGTERM, "Its master ends when the messages that run are done.")

    @verb(note="sends a message to an actor of ours")
    def hello(self, target: Target, params: Mapping[str, Any]) -> Answer:
        declared = sorted(self.broker.get_declared_queues())
        names = self.consumed() if self.dramatiq_worker is not None else declared
        queue = str(params.get("queue") or (names or [""])[0])
        if queue not in declared:
            return Answer(
                Outcome.NOT_FOUND, f"No queue is called {queue} here." if queue else "No queue is known here."
            )
        message: Message[Any] = Message(queue, HELLO, (), {}, {}, message_id=target.new_task_id())
        if self.host is None or self.host.original(message.message_id) is None:
            self._send(message)
        return Answer(Outcome.DONE, new_task_id=message.message_id)


def _number(params: Mapping[str, Any]) -> int:
    by = params.get("by", 1)
    return by if isinstance(by, int) and 0 < by <= 100 else 1


def _master() -> int | None:
    """Dramatiq's master, when this process is a child that the dramatiq command made and the master still lives.

    A child whose parent has died gets another one: the first process of a container, or whoever reaps.
    """
    maker, parent = multiprocessing.parent_process(), os.getppid()
    ours = maker is not None and maker.pid == parent and _COMMAND in sys.modules
    return parent if ours and parent != 1 else None


def _tell_master(number: signal.Signals, then: str) -> Answer:
    """Looks again: the master may have gone since this was offered."""
    master = _master()
    if master is None:
        return Answer(Outcome.UNSUPPORTED, _NO_MASTER)
    os.kill(master, number)
    return Answer(Outcome.REQUESTED, then)


def _finds_python() -> bool:
    """A master that was started as a module starts anew by the name `python`, whatever that is on the path."""
    if not sys.argv[0].endswith("/dramatiq/__main__.py"):
        return True
    return Path(shutil.which("python") or "/").parent == Path(sys.executable).parent

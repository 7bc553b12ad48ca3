"""What people may ask of this worker: its size, its limits, its end. Celery's own remote commands, without the remote.

They run in the worker's main thread, as they would had they come by Celery's mailbox; but they need no broker for it,
and reach this worker alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, ClassVar, Final

from celery.worker import control
from celery.worker import state as worker_state
from z4j_core.engine import Answer, Target, emulated, verb
from z4j_core.safety import guard
from z4j_core.wire import Outcome

from z4j_celery.process import STARTS, Busy, Process

RATE: Final = "celery.rate."
LIMIT: Final = "celery.limit."
#: The task of ours.
HELLO: Final = "z4j.hello"
#: More processes than this at once is a slip of the finger.
MOST: Final = 256
#: Verbs that only a worker has a use for.
_WORKERS: Final = frozenset(
    {
        "cancel",
        "run",
        "pause",
        "resume",
        "grow",
        "shrink",
        "autoscale",
        "restart_pool",
        "stop",
        "rate_limit",
        "time_limit",
    }  # fmt: skip
)
_SOON: Final = Answer(Outcome.REQUESTED, "It is done as soon as the worker's main thread is free.")


class Control(Process):
    lacks: ClassVar[Mapping[str, str]] = {
        "restart": "Celery does not start a worker again; stop it, and its supervisor starts another.",
        "requeue": (
            "Celery keeps no dead letters: a failed task is retried, under a new id. What a policy of RabbitMQ "
            "dead-lettered lies in a queue of its own and can be moved back."
        ),
    }

    def obstacle(self, verb: str) -> str:
        if why := self.lacks.get(verb, ""):
            return why
        if verb not in _WORKERS or self.starting and self.consumer is None:
            return ""
        if self.consumer is None:
            return "Only a worker can do this; this process sends tasks." if self.host is not None else ""
        return self._pool_obstacle(verb)

    def act(self, verb: str, target: Target, params: Mapping[str, Any]) -> Answer:
        """A worker that is still starting is waited for: a command may arrive that early."""
        if verb in _WORKERS and self.starting and not self.ready.wait(STARTS):
            return Answer(Outcome.FAILED, "The worker is still starting.")
        return super().act(verb, target, params)

    def _pool_obstacle(self, verb: str) -> str:
        """What this very worker was not started for."""
        kind, scales = self.pool_kind(), self.consumer.controller.autoscaler is not None
        if verb in ("grow", "shrink") and scales:
            return "It was started with --autoscale: set the limits of that instead."
        if verb in ("grow", "shrink") and not self.pool_can(verb):
            return f"This worker's pool is {kind}, whose size is set when it starts."
        if verb == "autoscale" and not scales:
            return "It was not started with --autoscale."
        if verb == "restart_pool" and not self.pool_can("restart"):
            return f"This worker's pool is {kind}, which has no processes to replace."
        if verb == "restart_pool" and not self.app.conf.worker_pool_restarts:
            return "The setting worker_pool_restarts is off."
        if verb == "cancel" and not self.app.conf.worker_enable_remote_control:
            return "The setting worker_enable_remote_control is off: no worker would hear of it."
        if verb == "rate_limit" and self.consumer.disable_rate_limits:
            return "The setting worker_disable_rate_limits is on."
        if verb == "time_limit" and kind in ("threads", "solo"):
            return f"This worker's pool is {kind}, which ends no task for its time."
        return ""

    @verb(note="starts processes more, until the worker restarts")
    def grow(self, target: Target, params: Mapping[str, Any]) -> Answer:
        by = _count(params)
        if by is None:
            return Answer(Outcome.FAILED, f"It grows by a whole number from 1 to {MOST}.")
        return self._command(self._grow, n=by)

    def _grow(self, panel: Any, n: int) -> Any:
        """Celery looks every five seconds whether processes are missing; the new ones may begin now."""
        told = control.pool_grow(panel, n=n)
        self.pool.maintain_pool()
        return told

    @verb(note="ends processes that are idle, until the worker restarts")
    def shrink(self, target: Target, params: Mapping[str, Any]) -> Answer:
        by = _count(params)
        if by is None or by >= self.pool.num_processes:
            return Answer(Outcome.FAILED, "It shrinks by a whole number, and keeps one process at least.")
        size = self.pool.num_processes
        try:
            return self._command(control.pool_shrink, n=by)
        except ValueError:
            done = size - self.pool.num_processes
            return Answer(Outcome.FAILED, f"{done} of {by} were ended: the others are all at work.")

    @verb(note="of a worker started with --autoscale, until it restarts")
    def autoscale(self, target: Target, params: Mapping[str, Any]) -> Answer:
        low, high = _count(params, "min", least=0), _count(params, "max")
        if low is None or high is None or low > high:
            return Answer(Outcome.FAILED, f"It takes min and max, whole numbers up to {MOST}, min being no more.")
        return self._command(control.autoscale, max=high, min=low)

    @verb(note="a process is replaced when its task has ended, an idle one after its next; needs worker_pool_restarts")
    def restart_pool(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._command(control.pool_restart)

    @verb(note="ends when its tasks have ended; Celery never answers, its absence confirms it")
    def stop(self, target: Target, params: Mapping[str, Any]) -> Answer:
        worker_state.should_stop = 0  # what Celery's own handler of SIGTERM sets; the loop looks at it each time
        self.consumer.call_soon(lambda: None)
        return Answer(Outcome.REQUESTED, "It takes nothing more and ends when its tasks have ended.")

    @verb(note="of this worker alone, not of all together; set again when it restarts")
    def rate_limit(self, target: Target, params: Mapping[str, Any]) -> Answer:
        given = {"task_name": str(params.get("name") or ""), "rate_limit": str(params.get("rate") or "0")}
        return self._limit(
            RATE, control.rate_limit, given, "It takes a rate as Celery writes it: 10/s, 5/m, 0 for none."
        )

    @verb(note="for tasks that this worker has not received and that bring no limits; set again when it restarts")
    def time_limit(self, target: Target, params: Mapping[str, Any]) -> Answer:
        given = {name: params.get(name) for name in ("soft", "hard")}
        limits = [limit for limit in given.values() if limit is not None]
        if not all(isinstance(limit, (int, float)) and limit > 0 for limit in limits) or limits != sorted(limits):
            return Answer(Outcome.FAILED, "It takes seconds, soft being no more than hard; neither means no limit.")
        given["task_name"] = str(params.get("name") or "")
        return self._limit(LIMIT, self._time_limit, given, "")

    def _time_limit(self, panel: Any, task_name: str, **limits: Any) -> Any:
        """Celery notes the limits with the task, but has worked them into how it takes messages when it started."""
        told = control.time_limit(panel, task_name=task_name, **limits)
        if task_name in self.app.tasks:
            self.consumer.strategies[task_name] = self.app.tasks[task_name].start_strategy(self.app, self.consumer)
        return told

    def restore_limits(self) -> None:
        """This worker has been told before. In its main thread, before its first message."""
        assert self.host is not None
        for prefix, command in ((RATE, control.rate_limit), (LIMIT, self._time_limit)):
            for _, given in self.host.state.items(self.own(prefix)):
                with guard("celery.limit"):
                    command(self._panel(), **json.loads(given))

    def own(self, prefix: str) -> str:
        """State is shared by the workers of one host; this part of it is this worker's."""
        return f"{prefix}{self.consumer.hostname}/"

    def _limit(self, prefix: str, command: Callable[..., Any], given: dict[str, Any], why: str) -> Answer:
        assert self.host is not None
        if given["task_name"] not in self.app.tasks:
            return Answer(Outcome.NOT_FOUND, "This worker knows no task of that name.")
        answer = self._command(command, **given)
        if answer.outcome == Outcome.FAILED:
            return Answer(Outcome.FAILED, why)
        self.host.state.put(self.own(prefix) + given["task_name"], json.dumps(given).encode())
        return answer

    def _command(self, command: Callable[..., Any], **given: Any) -> Answer:
        try:
            told = self.on_loop(lambda: command(self._panel(), **given))
        except Busy:
            return _SOON
        return Answer(Outcome.FAILED, "Celery refuses it.") if "error" in told else Answer(Outcome.DONE)

    def _panel(self) -> Any:
        """What Celery's remote commands are given."""
        return SimpleNamespace(app=self.app, hostname=self.consumer.hostname, consumer=self.consumer, tset=set)

    @emulated(note="sends the task z4j.hello, which every worker with this adapter knows")
    def hello(self, target: Target, params: Mapping[str, Any]) -> Answer:
        task_id = target.new_task_id()
        queue = str(params.get("queue") or target.queue or "") or self._nearest_queue()
        self.app.send_task(HELLO, task_id=task_id, queue=queue, expires=3600, ignore_result=True)
        return Answer(Outcome.DONE, new_task_id=task_id)

    def _nearest_queue(self) -> str | None:
        """Where it would go by itself, or else what this worker takes from. None: let Celery route it."""
        taken = self.app.amqp.queues.consume_from if self.consumer is not None else {}
        return None if not taken or self.app.conf.task_default_queue in taken else sorted(taken)[0]


def hello() -> str:
    """What the task of ours does."""
    return "hello"


def _count(params: Mapping[str, Any], name: str = "by", least: int = 1) -> int | None:
    """A whole number that somebody gave; None when it is none, or out of bounds."""
    value = params.get(name, 1 if name == "by" else None)
    return value if type(value) is int and least <= value <= MOST else None

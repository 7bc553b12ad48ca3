"""What people may ask of Celery: run a task again, and stop one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from celery import states
from celery.concurrency.base import BasePool
from celery.worker import state as worker_state
from z4j_core.engine import Answer, Engine, Target, verb
from z4j_core.wire import Kind, Outcome, Source

from z4j_celery import originals
from z4j_celery.facts import RETRY_OF, identity, now

#: How long a wish to cancel outlives the worker that was told of it: a task may wait for its time for days.
REVOKE_LIFE: Final = 7 * 24 * 3600 * 1_000_000
REVOKES: Final = "celery.revoke."


class Actions(Engine):
    """The verbs. Both talk to the user's broker and may take seconds; they run in the agent's thread."""

    app: Any
    pool: Any

    def pool_kind(self) -> str:
        raise NotImplementedError

    def awaits_worker(self) -> bool:
        raise NotImplementedError

    @verb(note="publishes the original message again, under a new id")
    def retry(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.host is not None
        task_id = target.new_task_id()
        done = Answer(Outcome.DONE, new_task_id=task_id)
        # Asked before, by a command that was delivered twice: its message is kept here, or somebody has worked on it.
        if self.host.original(task_id) is not None or self._backend_state(task_id) not in ("", states.PENDING):
            return done
        blob = self.host.original(target.task_id)
        if blob is None:
            return self._retry_from_backend(target, task_id)
        packed = originals.renew(originals.unpack(blob), task_id)
        originals.publish(self.app, packed)
        self.host.keep(task_id, originals.dump(packed))
        event = {"kind": Kind.TASK_ENQUEUED, "name": packed["headers"]["task"], "queue": packed["routing_key"]}
        self.host.emit({**event, **identity(packed["headers"]), "source": Source.ACTION})
        return done

    def cancel(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """A broadcast: whichever worker has the task drops it, or ends the process that runs it."""
        assert self.host is not None
        if not self.awaits_worker():
            return Answer(Outcome.UNSUPPORTED, "Only a worker can cancel; this process sends tasks.")
        running = any(request.id == target.task_id for request in self.running())
        if running and not self._terminates():
            return Answer(Outcome.UNSUPPORTED, self._unstoppable())
        if not running and self._backend_state(target.task_id) in (states.SUCCESS, states.FAILURE):
            return Answer(Outcome.ALREADY_FINAL, "The task has already ended.")
        self.host.state.put(REVOKES + target.task_id, str(now() + REVOKE_LIFE).encode())
        how = {"terminate": True, "signal": "SIGTERM"} if self._terminates() else {}
        self.app.control.revoke(target.task_id, **how)
        return Answer(Outcome.REQUESTED, "Its process was told to end." if running else "It will be dropped unrun.")

    def note(self, verb: str) -> str:
        if verb != "cancel" or self.pool is None:
            return super().note(verb)
        return "kills the child process when running" if self._terminates() else self._unstoppable()

    def running(self) -> list[Any]:
        """The requests that this worker works on. Its main thread changes the set while we read it."""
        for _ in range(5):
            with suppress(RuntimeError):
                return list(worker_state.active_requests)
        return []

    def _terminates(self) -> bool:
        """Whether this worker's pool can end what it runs: the base class only raises. (prefork sets it on itself.)"""
        method = getattr(self.pool, "terminate_job", BasePool.terminate_job)
        return getattr(method, "__func__", method) is not BasePool.terminate_job

    def _unstoppable(self) -> str:
        return f"a waiting task only: this worker's pool is {self.pool_kind()}, which cannot stop a running one"

    def _retry_from_backend(self, target: Target, task_id: str) -> Answer:
        """Nothing is kept here. With `result_extended` the result backend knows name, arguments and queue."""
        meta = self._meta(target.task_id)
        name, args, kwargs = meta.get("name"), meta.get("args"), meta.get("kwargs")
        if not name or not isinstance(args, (list, tuple)) or not isinstance(kwargs, dict):
            return Answer(
                Outcome.ARGS_UNAVAILABLE,
                "No original message is kept here, and the result backend has no arguments (result_extended is off).",
            )
        queue = meta.get("queue") or target.queue or None
        self.app.send_task(name, args, kwargs, task_id=task_id, queue=queue, headers={RETRY_OF: target.task_id})
        return Answer(
            Outcome.DONE,
            "Taken from the result backend: priority, expiry, callbacks and the rest of a chain are not known there.",
            task_id,
        )

    def _backend_state(self, task_id: str) -> str:
        return str(self._meta(task_id).get("status") or "")

    def _meta(self, task_id: str) -> dict[str, Any]:
        """What the result backend knows; nothing when there is none or it does not answer."""
        with suppress(Exception):
            return dict(self.app.backend.get_task_meta(task_id, cache=False))
        return {}

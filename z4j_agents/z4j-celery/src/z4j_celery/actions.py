"""What people may ask of Celery's tasks: run one again, and stop one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from celery import states
from z4j_core.engine import Answer, Target, verb
from z4j_core.wire import Kind, Outcome, Source

from z4j_celery import originals
from z4j_celery.advice import Advised
from z4j_celery.facts import RETRY_OF, identity, now

#: How long a wish to cancel outlives the worker that was told of it: a task may wait for its time for days.
REVOKE_LIFE: Final = 7 * 24 * 3600 * 1_000_000
REVOKES: Final = "celery.revoke."


class Actions(Advised):
    """They talk to the user's broker and may take seconds; they run in the agent's thread."""

    @verb(note="publishes the original message again, under a new id")
    def retry(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.host is not None
        task_id = target.new_task_id()
        if self._is_repeated(task_id):
            return Answer(Outcome.DONE, new_task_id=task_id)
        blob = self.host.original(target.task_id)
        if blob is None:
            return self._retry_from_backend(target, task_id)
        return self._publish(originals.renew(originals.unpack(blob), task_id))

    @verb(note="publishes the message with other arguments, under a new id; the original's queue and priority")
    def retry_with(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.host is not None
        task_id, args, kwargs = target.new_task_id(), list(params.get("args") or ()), dict(params.get("kwargs") or {})
        if self._is_repeated(task_id):
            return Answer(Outcome.DONE, new_task_id=task_id)
        blob = self.host.original(target.task_id)
        if blob is None:
            return self._send_by_name(target, task_id, args, kwargs)
        packed, whole = originals.exchange(originals.renew(originals.unpack(blob), task_id), args, kwargs)
        told = self.hooks.arguments(packed["headers"]["task"], args, kwargs) if self.hooks is not None else {}
        detail = "" if whole else "The original is not JSON: what hung on the task (a chain, callbacks) was left out."
        return self._publish(packed, detail, **told)

    def _is_repeated(self, task_id: str) -> bool:
        """Asked before, by a command that was delivered twice: its message is kept here, or somebody worked on it."""
        assert self.host is not None
        return self.host.original(task_id) is not None or self.backend_state(task_id) not in ("", states.PENDING)

    def _publish(self, packed: dict[str, Any], detail: str = "", **told: Any) -> Answer:
        assert self.host is not None
        originals.publish(self.app, packed)
        self.host.keep(packed["task_id"], originals.dump(packed))
        event = {"kind": Kind.TASK_ENQUEUED, "name": packed["headers"]["task"], "queue": packed["routing_key"]}
        self.host.emit({**event, **identity(packed["headers"]), **told, "source": Source.ACTION})
        return Answer(Outcome.DONE, detail, packed["task_id"])

    def _retry_from_backend(self, target: Target, task_id: str) -> Answer:
        """Nothing is kept here. With `result_extended` the result backend knows name, arguments and queue."""
        meta = self.meta(target.task_id)
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

    def _send_by_name(self, target: Target, task_id: str, args: list[Any], kwargs: dict[str, Any]) -> Answer:
        """Nothing is kept here, but all that it takes was given."""
        name = target.name or self.meta(target.task_id).get("name")
        if not name:
            return Answer(Outcome.ARGS_UNAVAILABLE, "No original message is kept here, and the task's name is unknown.")
        link = {RETRY_OF: target.task_id}
        self.app.send_task(name, args, kwargs, task_id=task_id, queue=target.queue or None, headers=link)
        return Answer(
            Outcome.DONE,
            "No original message is kept here: priority, expiry, callbacks and the rest of a chain were left out.",
            task_id,
        )

    @verb(note="drops a waiting task; kills the process of a running one, which only a pool of processes can")
    def cancel(self, target: Target, params: Mapping[str, Any]) -> Answer:
        """A broadcast: whichever worker has the task drops it, or ends the process that runs it."""
        assert self.host is not None
        running = any(request.id == target.task_id for request in self.running())
        stops = self.pool_can("terminate_job")
        if running and not stops:
            return Answer(Outcome.UNSUPPORTED, self._unstoppable())
        if not running and self.backend_state(target.task_id) in (states.SUCCESS, states.FAILURE):
            return Answer(Outcome.ALREADY_FINAL, "The task has already ended.")
        self.host.state.put(REVOKES + target.task_id, str(now() + REVOKE_LIFE).encode())
        how = {"terminate": True, "signal": "SIGTERM"} if stops else {}
        with self.connection() as connection:
            self.app.control.revoke(target.task_id, connection=connection, **how)
        return Answer(Outcome.REQUESTED, "Its process was told to end." if running else "It will be dropped unrun.")

    def note(self, verb: str) -> str:
        if verb != "cancel" or self.pool is None:
            return super().note(verb)
        return "kills the child process when running" if self.pool_can("terminate_job") else self._unstoppable()

    def _unstoppable(self) -> str:
        return f"a waiting task only: this worker's pool is {self.pool_kind()}, which cannot stop a running one"

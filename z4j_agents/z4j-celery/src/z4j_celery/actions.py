"""What people may ask of Celery's tasks: run one again, and stop one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from celery import states
from z4j_core.engine import Answer, Target, verb
from z4j_core.wire import Kind, Outcome, Source

from z4j_celery import originals
from z4j_celery.advice import Advised
from z4j_celery.facts import ENGINE, RETRY_OF, identity, now, without_nothing

#: How long a wish to cancel outlives the worker that was told of it: a task may wait for its time for days.
REVOKE_LIFE: Final = 7 * 24 * 3600 * 1_000_000
REVOKES: Final = "celery.revoke."


class Actions(Advised):
    """They talk to the user's broker and may take seconds; they run in the agent's thread."""

    @verb(note="publishes the original message again, under a new id")
    def retry(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.host is not None
        blob = self.host.original(target.task_id)
        if blob is None:
            return self._retry_from_backend(target)
        return self._publish(target, originals.renew(originals.unpack(blob), target.new_task_id()))

    @verb(note="publishes the message with other arguments, under a new id; the original's queue and priority")
    def retry_with(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.host is not None
        args, kwargs = list(params.get("args") or ()), dict(params.get("kwargs") or {})
        blob = self.host.original(target.task_id)
        if blob is None:
            return self._send_by_name(target, args, kwargs)
        renewed = originals.renew(originals.unpack(blob), target.new_task_id())
        packed, whole = originals.exchange(renewed, args, kwargs)
        told = self.hooks.arguments(packed["headers"]["task"], args, kwargs) if self.hooks is not None else {}
        detail = "" if whole else "The original is not JSON: what hung on the task (a chain, callbacks) was left out."
        return self._publish(target, packed, detail, **told)

    @verb(note="sends a task that this worker has registered, the way users send it")
    def run(self, target: Target, params: Mapping[str, Any]) -> Answer:
        task = self.app.tasks.get(target.name)
        if task is None:
            return Answer(Outcome.NOT_FOUND, "No task of that name is registered in this worker.")
        if self.app.conf.task_always_eager:
            return Answer(Outcome.UNSUPPORTED, "The setting task_always_eager is on: it would run in the agent.")
        args, kwargs = list(params.get("args") or ()), dict(params.get("kwargs") or {})
        queue = {"queue": target.queue} if target.queue else {}

        def publish(producer: Any, **how: Any) -> object:
            return task.apply_async(args, kwargs, task_id=target.new_task_id(), producer=producer, **queue, **how)

        try:
            self.hand_over(target, publish)
        except TypeError:
            return Answer(Outcome.FAILED, "The arguments do not fit the task's signature; nothing was sent.")
        return self._made(target, target.name, args, kwargs)

    def _made(self, target: Target, name: str, args: Any, kwargs: Any, detail: str = "") -> Answer:
        """A task was sent as users send theirs, which tells of it; this tells that somebody asked for it."""
        assert self.host is not None
        event = {"kind": Kind.TASK_ENQUEUED, "engine": ENGINE, "task_id": target.new_task_id(), "name": name}
        event |= self.hooks.arguments(name, args, kwargs) if self.hooks is not None else {}
        told = without_nothing({**event, "queue": target.queue, "retry_of": target.task_id, "source": Source.ACTION})
        self.host.emit(told)
        return Answer(Outcome.DONE, detail, target.new_task_id())

    def _publish(self, target: Target, packed: dict[str, Any], detail: str = "", **told: Any) -> Answer:
        assert self.host is not None
        self.hand_over(target, lambda producer, **how: originals.send(producer, packed, **how))
        self.host.keep(packed["task_id"], originals.dump(packed))
        event = {"kind": Kind.TASK_ENQUEUED, "name": packed["headers"]["task"], "queue": packed["routing_key"]}
        self.host.emit({**event, **identity(packed["headers"]), **told, "source": Source.ACTION})
        return Answer(Outcome.DONE, detail, packed["task_id"])

    def _by_name(self, target: Target, name: str, args: Any, kwargs: Any, queue: str | None, detail: str) -> Answer:
        def publish(producer: Any, **how: Any) -> object:
            link = {RETRY_OF: target.task_id}
            task_id = target.new_task_id()
            return self.app.send_task(
                name, args, kwargs, task_id=task_id, queue=queue, headers=link, producer=producer, **how
            )

        self.hand_over(target, publish)
        return Answer(Outcome.DONE, detail, target.new_task_id())

    def _retry_from_backend(self, target: Target) -> Answer:
        """Nothing is kept here. With `result_extended` the result backend knows name, arguments and queue."""
        meta = self.meta(target.task_id)
        name, args, kwargs = meta.get("name"), meta.get("args"), meta.get("kwargs")
        if not name or not isinstance(args, (list, tuple)) or not isinstance(kwargs, dict):
            return Answer(
                Outcome.ARGS_UNAVAILABLE,
                "No original message is kept here, and the result backend has no arguments (result_extended is off).",
            )
        queue = meta.get("queue") or target.queue or None
        why = "Taken from the result backend: priority, expiry, callbacks and the rest of a chain are not known there."
        return self._by_name(target, name, args, kwargs, queue, why)

    def _send_by_name(self, target: Target, args: list[Any], kwargs: dict[str, Any]) -> Answer:
        """Nothing is kept here, but all that it takes was given."""
        name = target.name or self.meta(target.task_id).get("name")
        if not name:
            return Answer(Outcome.ARGS_UNAVAILABLE, "No original message is kept here, and the task's name is unknown.")
        why = "No original message is kept here: priority, expiry, callbacks and the rest of a chain were left out."
        return self._by_name(target, name, args, kwargs, target.queue or None, why)

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

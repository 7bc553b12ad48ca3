"""What people may ask of Dramatiq's messages. It runs in the agent's thread of a worker process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from dramatiq.common import dq_name, xq_name
from dramatiq.message import Message
from dramatiq.threading import current_platform, is_gevent_active, supported_platforms
from z4j_core.engine import Answer, Target, emulated, verb
from z4j_core.wire import Kind, Outcome, Source

from z4j_dramatiq.facts import BEFORE, decoded, identity, now, renewed, without_nothing
from z4j_dramatiq.hooks import CANCEL
from z4j_dramatiq.queues import Queues
from z4j_dramatiq.stores import InRedis, TooDeepError


class Actions(Queues):
    @emulated(note="sends the original message again under a new id; in Redis a dead letter leaves the dead letters")
    def retry(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._again(target, None)

    @emulated(note="sends the message with other arguments under a new id; a dead letter stays where it is")
    def retry_with(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._again(target, params)

    def _again(self, target: Target, given: Mapping[str, Any] | None) -> Answer:
        original = self._original(target)
        if original is None:
            return Answer(Outcome.ARGS_UNAVAILABLE, "No original is kept here, and it is not among the dead letters.")
        message = renewed(original, message_id=target.new_task_id(), message_timestamp=_now_ms())
        message.options.pop(BEFORE, None)
        if given is not None:
            message = replace(message, args=tuple(given.get("args") or ()), kwargs=dict(given.get("kwargs") or {}))
        answer = self._make(target, message)
        if given is None and isinstance(self.store, InRedis):
            self._hand_on_dead(target, lambda _: None)
        return answer

    @verb(note="sends a message to an actor that this worker has declared")
    def run(self, target: Target, params: Mapping[str, Any]) -> Answer:
        actor = self.broker.actors.get(target.name)
        if actor is None:
            return Answer(Outcome.NOT_FOUND, "No actor of that name is declared in this worker.")
        if target.queue and target.queue not in self.broker.get_declared_queues():
            return Answer(Outcome.NOT_FOUND, "No queue of that name is declared in this worker.")
        args, kwargs = tuple(params.get("args") or ()), dict(params.get("kwargs") or {})
        message = actor.message_with_options(args=args, kwargs=kwargs)
        queue = target.queue or message.queue_name
        return self._make(target, replace(message, message_id=target.new_task_id(), queue_name=queue))

    def _make(self, target: Target, message: Message[Any]) -> Answer:
        assert self.host is not None
        if self.store is None:
            self.broker.enqueue(message)
        else:
            self.store.send_once(target, message)
        self.host.keep(message.message_id, message.encode())
        self._tell(Kind.TASK_ENQUEUED, message, retry_of=target.task_id)
        return Answer(Outcome.DONE, new_task_id=message.message_id)

    def landed(self, target: Target) -> bool | None:
        """In Redis its mark says so. Elsewhere one is known that came to a worker of this host, or has ended."""
        assert self.host is not None
        if self.store is not None and (sent := self.store.has_sent(target)) is not None:
            return sent
        return True if self._is_seen(target) else None

    def _is_seen(self, target: Target) -> bool:
        assert self.host is not None
        found = replace(target, task_id=target.new_task_id())
        return self.host.original(found.task_id) is not None or self._result(found) is not None

    def _original(self, target: Target) -> Message[Any] | None:
        assert self.host is not None
        blob = self.host.original(target.task_id)
        return decoded(blob) if blob is not None else self._dead(target)

    def _dead(self, target: Target) -> Message[Any] | None:
        if self.store is None:
            return None
        found = (self.store.find(xq_name(queue), target.task_id) for queue in self._queues_of(target))
        return next((message for message in found if message is not None), None)

    def _hand_on_dead(self, target: Target, send: Callable[[Message[Any]], object]) -> bool:
        queues = self._queues_of(target)
        return self.store is not None and any(
            self.store.hand_on(xq_name(queue), target.task_id, send) for queue in queues
        )

    def _queues_of(self, target: Target) -> list[str]:
        declared = sorted(self.broker.get_declared_queues())
        return [queue for queue in declared if target.queue in ("", queue)]

    def _send(self, message: Message[Any]) -> None:
        if self.store is None:
            self.broker.enqueue(message)
        else:
            self.store.send(message)

    @emulated(
        note="in Redis a waiting message is taken out of its queue, else it is skipped when a worker of this host takes"
        " it; in a running one an exception is raised, which a call that blocks in C delays"
    )
    def cancel(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.host is not None and self.hooks is not None
        if target.task_id in self.hooks.running and not _can_interrupt():
            return Answer(Outcome.UNSUPPORTED, "It runs, and here no exception can be raised in a thread.")
        mark = CANCEL + target.task_id
        self.host.state.put(mark, str(now()).encode())
        if self.hooks.interrupt(target.task_id):
            self.host.state.delete(mark)
            return Answer(Outcome.REQUESTED, "An exception was raised in it; a call that blocks in C ends first.")
        if self._withdraw(target):
            self.host.state.delete(mark)
            return Answer(Outcome.DONE, "It was taken out of its queue.")
        if self._has_ended(target):
            self.host.state.delete(mark)
            return Answer(Outcome.ALREADY_FINAL, "It has already ended.")
        return Answer(Outcome.REQUESTED, "It is skipped when a worker of this host takes it.")

    def _withdraw(self, target: Target) -> bool:
        """Out of a queue in Redis, where looking for it disturbs nobody."""
        if not isinstance(self.store, InRedis):
            return False
        names = [name for queue in self._queues_of(target) for name in (queue, dq_name(queue))]
        tell = lambda message: self._tell(Kind.TASK_CANCELLED, message)  # noqa: E731 (it would be its only line)
        return any(self.store.hand_on(name, target.task_id, tell) for name in names)

    def _has_ended(self, target: Target) -> bool:
        with suppress(TooDeepError):
            told = [event["kind"] for event in self.lookup([target])]
            # Redis holds every message until it ends.
            return told[0] != Kind.TASK_ENQUEUED if told else bool(target.queue) and isinstance(self.store, InRedis)
        return False

    @emulated(note="a dead letter goes back into its queue under its own id; RabbitMQ marks others as redelivered")
    def requeue(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.host is not None
        self.host.state.delete(CANCEL + target.task_id)
        sent = self._hand_on_dead(target, self._revive)
        return Answer(Outcome.DONE) if sent else Answer(Outcome.NOT_FOUND, "It is not among the dead letters.")

    def _revive(self, letter: Message[Any]) -> None:
        message = renewed(letter, message_timestamp=_now_ms())
        # Brokers keep it as it was before its last attempt, which Retries has not counted there.
        retries = int(letter.options.get("retries") or 0)
        message.options[BEFORE] = int(letter.options.get(BEFORE) or 0) + retries + 1
        run = now()  # before anybody can start it: its next start is later
        self.broker.enqueue(message)
        self._tell(Kind.TASK_ENQUEUED, message, run=run)

    @emulated(
        note="taken out of one queue and sent to another, which must have a worker; in RabbitMQ the search marks what"
        " waits before it as redelivered"
    )
    def move(self, target: Target, params: Mapping[str, Any]) -> Answer:
        name = str(params.get("queue") or "")

        def send(message: Message[Any]) -> None:
            moved = replace(message, queue_name=name)
            self.broker.enqueue(moved)
            self._tell(Kind.TASK_ENQUEUED, moved)

        store, queues = self.store, self._queues_of(target) if name else []
        if store is not None and any(store.hand_on(queue, target.task_id, send) for queue in queues):
            return Answer(Outcome.DONE, f"It waits in {name}.")
        return Answer(Outcome.NOT_FOUND, "It does not wait in that queue, or a worker was faster.")

    def _tell(self, kind: Kind, message: Any, **more: Any) -> None:
        assert self.host is not None and self.hooks is not None
        arguments = self.hooks.arguments(self.broker, message)
        event = {"kind": kind, **identity(self.broker, message), **arguments, **more, "source": Source.ACTION}
        self.host.emit(without_nothing(event))


def _can_interrupt() -> bool:
    return current_platform in supported_platforms and not is_gevent_active()  # type: ignore[no-untyped-call]


def _now_ms() -> int:
    return round(time.time() * 1000)

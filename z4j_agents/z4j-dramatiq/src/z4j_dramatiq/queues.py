"""What waits in Dramatiq's queues and among its dead letters, and what in its settings will hurt."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from dramatiq.common import dq_name, q_name, xq_name
from dramatiq.message import Message
from dramatiq.middleware import Retries, TimeLimit
from dramatiq.results import ResultMissing, Results
from dramatiq.results.errors import ResultFailure
from z4j_core.engine import Advice, Engine, Target, verb
from z4j_core.wire import Error, Kind, QueueFacts, Reason, Source

from z4j_dramatiq.facts import ENGINE, decoded, eta_of, identity, without_nothing
from z4j_dramatiq.hooks import Hooks
from z4j_dramatiq.stores import InRedis, Store

_DAY: Final = 24 * 3600 * 1000


class Queues(Engine):
    broker: Any
    store: Store | None
    hooks: Hooks | None
    dramatiq_worker: Any

    def consumed(self) -> list[str]:
        return sorted(name for name in list(self.dramatiq_worker.consumers) if name == q_name(name))

    @verb(note="from the broker; RabbitMQ does not count what workers hold, Redis counts it as in flight")
    def queues(self) -> Iterable[QueueFacts]:
        return [self.store.measure(name) for name in sorted(self.broker.get_declared_queues())] if self.store else []

    @verb(note="reads waiting and delayed messages and dead letters where Redis keeps them")
    def peek(self, queue: str, limit: int) -> Iterable[Mapping[str, Any]]:
        store = self.store
        assert isinstance(store, InRedis)
        waiting = (self._told(Kind.TASK_ENQUEUED, message) for _, message in store.waiting(queue, limit))
        delayed = (self._told(Kind.TASK_ENQUEUED, message) for message in store.kept(dq_name(queue)))
        dead = (self._told(Kind.TASK_DEAD_LETTERED, message) for _, message in store.waiting(xq_name(queue), limit))
        return list(itertools.islice(itertools.chain(waiting, dead, delayed), limit))

    @verb(note="reads results where actors store them, and messages and dead letters where Redis keeps them")
    def lookup(self, targets: Sequence[Target]) -> Iterable[Mapping[str, Any]]:
        found = dict(self._kept({target.task_id: target for target in targets}))
        ends = (self._result(target) for target in targets if target.task_id not in found)
        return [*found.values(), *(end for end in ends if end is not None)]

    def _kept(self, targets: Mapping[str, Target]) -> Iterator[tuple[str, dict[str, Any]]]:
        """What Redis has of these. Raises when it has more than anybody looks through."""
        if not isinstance(self.store, InRedis):
            return
        queues = {target.queue for target in targets.values()}
        for queue in self.broker.get_declared_queues() if "" in queues else queues:
            # The dead letters last: a message that dies meanwhile is seen twice rather than not at all.
            for name in (dq_name(queue), queue, xq_name(queue)):
                kind = Kind.TASK_DEAD_LETTERED if name == xq_name(queue) else Kind.TASK_ENQUEUED
                for message in self.store.kept(name):
                    if message.message_id in targets:
                        yield message.message_id, self._told(kind, message)

    def _result(self, target: Target) -> dict[str, Any] | None:
        backend = next((one.backend for one in self.broker.middleware if isinstance(one, Results)), None)
        message = self._message(target)
        if backend is None or message is None:
            return None
        event = {"engine": ENGINE, "task_id": target.task_id, "name": message.actor_name, "source": Source.RECONCILE}
        try:
            result = backend.get_result(message)
        except ResultMissing:
            return None
        except ResultFailure as failure:
            # Only of the last attempt, which makes it a dead letter.
            error = Error(type=str(failure.orig_exc_type or "Exception"), message="", reason=Reason.EXCEPTION)
            return {**event, "kind": Kind.TASK_DEAD_LETTERED, "error": error}
        told = self.hooks.redactor(self.broker, message.actor_name).value(result)[0] if self.hooks is not None else ""
        return {**event, "kind": Kind.TASK_SUCCEEDED, "result": told}

    def _message(self, target: Target) -> Message[Any] | None:
        """As far as it takes to ask for its result."""
        if target.queue and target.name:
            return Message(target.queue, target.name, (), {}, {}, message_id=target.task_id)
        blob = self.host.original(target.task_id) if self.host is not None else None
        return decoded(blob) if blob is not None else None

    def _told(self, kind: Kind, message: Message[Any]) -> dict[str, Any]:
        arguments = self.hooks.arguments(self.broker, message) if self.hooks is not None else {}
        event = {"kind": kind, **identity(self.broker, message), **arguments, "eta": eta_of(message)}
        return without_nothing({**event, "source": Source.RECONCILE})

    @verb(note="reads the broker's middleware")
    def advice(self) -> Iterable[Advice]:
        kinds = [type(one) for one in self.broker.middleware]
        if not any(issubclass(kind, Retries) for kind in kinds):
            text = "A message that fails is acknowledged and gone: there are no retries and no dead letters."
            yield Advice("no-retries", text, "Add the Retries middleware, with max_retries=0 where once is enough.")
        if not any(issubclass(kind, TimeLimit) for kind in kinds):
            text = "A message may run for ever and keep a thread."
            yield Advice("no-time-limit", text, "Add the TimeLimit middleware.")
        ttl = getattr(self.broker, "dead_message_ttl", None) if isinstance(self.store, InRedis) else None
        if isinstance(ttl, int) and ttl < _DAY:
            text = "Redis forgets dead letters in less than a day, and nobody can put them back after that."
            yield Advice("dead-letters-expire", text, "Give RedisBroker a longer dead_message_ttl, in milliseconds.")

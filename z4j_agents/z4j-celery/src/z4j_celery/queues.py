"""What waits in the queues of a broker, and what people may ask of a queue."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

from z4j_core.engine import Answer, Target, emulated, verb
from z4j_core.safety import guard
from z4j_core.wire import Kind, Outcome, QueueFacts, Source

from z4j_celery import amqp, originals
from z4j_celery.control import Control
from z4j_celery.facts import delivery, identity, without_nothing
from z4j_celery.process import OPTIONS, Busy
from z4j_celery.redis import NotAQueue, RedisQueues

PAUSE: Final = "celery.pause."
#: A queue that nobody should look into, remembered here.
SPARED: Final = "celery.spared."
#: Messages of a purged queue that are told one by one.
_TOLD: Final = 1000
_LOOKS: Final = frozenset({"queues", "peek", "purge", "move"})


class Broker(Protocol):
    """The queues behind one open connection. Messages are kombu's."""

    def measure(self, queue: str) -> QueueFacts | None: ...
    def waiting(self, queue: str, limit: int) -> list[Any]: ...
    def purge(self, queue: str, most: int) -> tuple[int, list[Any]]: ...
    def move(self, queue: str, task_id: str, destination: str) -> Any | None: ...


class Queues(Control):
    #: Queues that this worker has been told to leave alone.
    paused: set[str]

    def obstacle(self, verb: str) -> str:
        if verb in _LOOKS and self.host is not None and self.driver() not in OPTIONS:
            return f"The broker ({self.driver()}) lets nobody look into its queues."
        return super().obstacle(verb)

    def note(self, verb: str) -> str:
        if verb == "peek" and self.host is not None and self.driver() == "amqp":
            return "takes messages and gives them back, which marks them redelivered; only where nobody consumes"
        return super().note(verb)

    # Reads.

    @verb(note="Redis: the lists of all priorities, and what workers hold. RabbitMQ: a passive declare")
    def queues(self) -> Iterable[QueueFacts]:
        known = self.app.amqp.queues
        names = dict.fromkeys([*known.consume_from, *self.paused, *known])
        with self._broker() as broker:
            return [self._marked(facts) for name in names if (facts := broker.measure(name)) is not None]

    def _marked(self, facts: QueueFacts) -> QueueFacts:
        return QueueFacts(**facts, paused=True) if facts["name"] in self.paused else facts

    @verb(
        note="Redis: reads the lists. RabbitMQ: takes messages and gives them back, which marks them redelivered, and "
        "only where nobody consumes"
    )
    def peek(self, queue: str, limit: int) -> Iterable[Mapping[str, Any]]:
        if self._is_spared(queue):
            return []
        with self._broker() as broker:
            messages = broker.waiting(queue, limit)
        if self.host is not None and messages and amqp.is_counted(messages[-1]):
            self.host.state.put(SPARED + queue, b"1")
        return [event for message in messages if (event := self.waits(message, queue))]

    def _is_spared(self, queue: str) -> bool:
        """Looking into a quorum queue counts as a failed delivery, and it gives up what failed too often."""
        declared = dict.get(self.app.amqp.queues, queue)
        if declared is not None and (declared.queue_arguments or {}).get("x-queue-type") == "quorum":
            return True
        return self.host is not None and self.host.state.get(SPARED + queue) is not None

    def waits(self, message: Any, queue: str) -> dict[str, Any] | None:
        """The event that tells of a message; None for Celery's first protocol, whose id is in the body."""
        with guard("celery.peek"):
            if "id" in message.headers:
                told = {"name": message.headers["task"], "queue": queue, "priority": message.properties.get("priority")}
                event = {"kind": Kind.TASK_ENQUEUED, **identity(message.headers), **told, **self._read(message)}
                return without_nothing({**event, "source": Source.RECONCILE})
        return None

    def _read(self, message: Any) -> dict[str, Any]:
        """Redacted arguments. A body that is not JSON is not opened: unpickling runs code."""
        if message.errors or message.content_type != "application/json" or len(message.body) > originals.LARGEST:
            return {}
        args, kwargs, *_ = json.loads(message.body)
        return self.hooks.arguments(message.headers["task"], args, kwargs) if self.hooks is not None else {}

    # Verbs on a queue.

    @verb(note="throws away what waits in the queue; what workers hold already is done all the same")
    def purge(self, target: Target, params: Mapping[str, Any]) -> Answer:
        total, named = 0, self._named(target)
        with self._broker() as broker:
            for name in named:
                count, messages = broker.purge(name, _TOLD)
                if count < 0 or (not count and name not in self.app.amqp.queues):
                    return Answer(Outcome.NOT_FOUND, "There is no such queue.")
                total += count
                for message in messages:
                    self._tell(Kind.TASK_CANCELLED, message, name)
        rest = f" The first {_TOLD} of a queue are told one by one." if total > _TOLD else ""
        return Answer(Outcome.DONE, f"{total} waiting messages were thrown away.{rest}")

    @verb(note="this worker takes nothing more from the queue, also when it restarts; what it holds already runs")
    def pause(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.host is not None
        named = self._named(target)
        if not self.paused.union(self.app.amqp.queues.consume_from).issuperset(named):
            return Answer(Outcome.NOT_FOUND, "This worker does not take from that queue.")
        for name in named:
            self.host.state.put(self.own(PAUSE) + name, b"1")
            self.paused.add(name)
        return self._on_consumer(self._leave, named)

    @verb(note="this worker takes from the queue again")
    def resume(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.host is not None
        named = [target.queue] if target.queue else sorted(self.paused)
        if not self.paused.union(self.app.amqp.queues.consume_from).issuperset(named):
            return Answer(Outcome.NOT_FOUND, "This worker was not told to leave that queue alone.")
        for name in named:
            self.host.state.delete(self.own(PAUSE) + name)
            self.paused.discard(name)
        return self._on_consumer(self._take, named)

    def restore_pauses(self, app: Any, hostname: str) -> None:
        """This worker has been told before. Said before it consumes: RabbitMQ would send at once."""
        assert self.host is not None
        prefix = f"{PAUSE}{hostname}/"
        names = [key.removeprefix(prefix) for key, _ in self.host.state.items(prefix)]
        self.paused = {name for name in names if name in app.amqp.queues.consume_from}
        app.amqp.queues.deselect(sorted(self.paused))

    def _leave(self, name: str) -> None:
        self.consumer.cancel_task_queue(name)

    def _take(self, name: str) -> None:
        """Older releases of Celery forget what they took again when they lose a connection: so it is noted here."""
        queues = self.app.amqp.queues
        queues.select_add(queues[name])
        self.consumer.add_task_queue(name)

    def _on_consumer(self, do: Callable[[str], None], names: list[str]) -> Answer:
        def do_all() -> None:
            for name in names:
                do(name)

        try:
            self.on_loop(do_all)
        except Busy:
            return Answer(Outcome.REQUESTED, "It takes effect as soon as the worker's main thread is free.")
        return Answer(Outcome.DONE)

    def _named(self, target: Target) -> list[str]:
        return [target.queue] if target.queue else sorted({*self.app.amqp.queues.consume_from, *self.paused})

    @emulated(
        note="Redis: in one step. RabbitMQ: looks for it among the first 1,000 messages, which marks those redelivered"
    )
    def move(self, target: Target, params: Mapping[str, Any]) -> Answer:
        name = str(params.get("queue") or "")
        if not name or not target.queue or name == target.queue:
            return Answer(Outcome.FAILED, "It takes the name of another queue.")
        try:
            with self._broker() as broker:
                message = broker.move(target.queue, target.task_id, name)
        except NotAQueue:
            return Answer(Outcome.NOT_FOUND, "The broker keeps something else under the name of that other queue.")
        if message is None:
            return Answer(Outcome.NOT_FOUND, "It does not wait in that queue; a worker may hold it already.")
        self._tell(Kind.TASK_ENQUEUED, message, name)
        return Answer(Outcome.DONE, f"It waits in {name}.")

    def _tell(self, kind: Kind, message: Any, queue: str) -> None:
        assert self.host is not None
        with guard("celery.tell"):
            told = {**identity(message.headers), **delivery(message.properties), "queue": queue}
            self.host.emit({"kind": kind, "name": message.headers["task"], **told, "source": Source.ACTION})

    @contextmanager
    def _broker(self) -> Iterator[Broker]:
        with self.connection() as connection:
            yield RedisQueues(connection) if self.driver() == "redis" else amqp.AmqpQueues(connection)

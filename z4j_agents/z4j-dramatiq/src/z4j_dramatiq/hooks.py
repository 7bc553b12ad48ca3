"""A middleware that tells what becomes of each message. It stands before Retries, so it hears of an end after Retries
has decided what comes next.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import dramatiq
from dramatiq.errors import ActorNotFound
from dramatiq.middleware import Middleware, SkipMessage, TimeLimitExceeded
from dramatiq.threading import Interrupt, raise_thread_exception
from z4j_core.engine import Host
from z4j_core.redaction import Parameters, Telling
from z4j_core.safety import guard, guarded
from z4j_core.wire import Error, Kind, Reason

from z4j_dramatiq.facts import eta_of, identity, now, without_nothing

if TYPE_CHECKING:
    from z4j_dramatiq.engine import DramatiqEngine

CANCEL: Final = "dramatiq.cancel."
PAUSE: Final = "dramatiq.pause."


class Cancelled(Interrupt):
    """Raised in the thread of a message that somebody cancelled."""


class Hooks(Middleware):
    def __init__(self, engine: DramatiqEngine, host: Host) -> None:
        self.engine = engine
        self.host = host
        #: What runs here, by id: task_id, name, started, thread, attempt, message, begun, unwanted.
        self.running: dict[str, dict[str, Any]] = {}
        #: Held for a moment by who starts, ends or interrupts a message.
        self._turn = threading.Lock()
        #: What Retries sent again in this thread.
        self._again = threading.local()

    # The producer; also a worker that sends a message again, and its consumer when a delayed one is due.

    @guarded("dramatiq.enqueue")
    def after_enqueue(self, broker: dramatiq.Broker, message: Any, delay: int | None) -> None:
        if message.options.get("retries") and delay is not None:
            self._again.message_id, self._again.eta = message.message_id, eta_of(message)
            return
        event = {"kind": Kind.TASK_ENQUEUED, **identity(broker, message), "eta": eta_of(message)}
        if not message.options.get("retries"):
            event |= self.arguments(broker, message)
            event["vault"] = self.host.keep(message.message_id, message.encode())
        self._emit(event)

    # The worker.

    @guarded("dramatiq.boot")
    def before_worker_boot(self, broker: dramatiq.Broker, worker: Any) -> None:
        self.engine.serve(worker)

    @guarded("dramatiq.consumer")
    def after_consumer_thread_boot(self, broker: dramatiq.Broker, thread: Any) -> None:
        """Before it fetches anything: a pause outlives a restart."""
        if self.host.state.get(PAUSE + thread.queue_name) is not None:
            thread.pause()

    @guarded("dramatiq.booted")
    def after_worker_boot(self, broker: dramatiq.Broker, worker: Any) -> None:
        self.engine.begin()

    @guarded("dramatiq.shutdown")
    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: Any) -> None:
        self.host.stop()

    def before_process_message(self, broker: dramatiq.Broker, message: Any) -> None:
        unwanted = False
        with guard("dramatiq.start"):
            unwanted = self._start(broker, message)
        if unwanted:
            raise SkipMessage("cancelled")

    def _start(self, broker: dramatiq.Broker, message: Any) -> bool:
        """Whether somebody cancelled it. Who cancels leaves a mark first and looks at what runs then; here it is the
        other way round, so one of the two sees the other.
        """
        run = now()
        facts = identity(broker, message)
        self.running[message.message_id] = entry = {
            "task_id": message.message_id,
            "name": message.actor_name,
            "started": run,
            "thread": threading.get_ident(),
            "attempt": facts["attempt"],
            "message": message,
            "begun": False,
            "unwanted": False,
        }
        if self.host.state.get(CANCEL + message.message_id) is not None:
            entry["unwanted"] = True
            return True
        vault = "" if facts["attempt"] else self.host.keep(message.message_id, message._message.encode())
        event = {"kind": Kind.TASK_STARTED, **facts, "worker": self.engine.worker_name, "ts": run, "run": run}
        self._emit({**event, "vault": vault, **self.arguments(broker, message)})
        with self._turn:
            entry["begun"] = not entry["unwanted"]
        return bool(entry["unwanted"])

    def interrupt(self, task_id: str) -> bool:
        """Raise in the thread that runs a message, once our hook has let it begin and while it runs. Asked from another
        thread.
        """
        with self._turn:
            running = self.running.get(task_id)
            if running is not None and running["begun"]:
                # Of an exception that a message "throws" Retries makes no further attempt.
                running["message"].options["throws"] = (Cancelled,)
                raise_thread_exception(running["thread"], Cancelled)  # type: ignore[no-untyped-call]
            elif running is not None:
                running["unwanted"] = True
            return running is not None

    def _end(self, task_id: str) -> dict[str, Any] | None:
        """No interrupt reaches the thread after this; one that was under way arrives here, and comes too late."""
        known = self.running.get(task_id)
        try:
            with self._turn:
                self.running.pop(task_id, None)
        except Cancelled:
            self.running.pop(task_id, None)
        return known

    @guarded("dramatiq.processed")
    def after_process_message(
        self, broker: dramatiq.Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        known = self._end(message.message_id)
        if known is None:
            return
        event = {**identity(broker, message), "worker": self.engine.worker_name, "run": known["started"]}
        event |= {"attempt": known["attempt"], "runtime_ms": (now() - known["started"]) / 1000}
        if exception is None:
            event["result"], was_cut = self.redactor(broker, message.actor_name).value(result)
            self._emit({"kind": Kind.TASK_SUCCEEDED, **event, "truncated": ["result"] if was_cut else []})
        elif isinstance(exception, Cancelled):
            message.failed = False  # acknowledged: it is no dead letter
            self._emit({"kind": Kind.TASK_CANCELLED, **event})
        else:
            self._fail(broker, message, event, exception)

    def _fail(self, broker: dramatiq.Broker, message: Any, event: dict[str, Any], exception: BaseException) -> None:
        """Retries has decided already. Where that middleware is missing, Dramatiq forgets what failed."""
        reason = Reason.TIMEOUT if isinstance(exception, TimeLimitExceeded) else Reason.EXCEPTION
        event["error"] = self.redactor(broker, message.actor_name).error(exception, reason)
        if message.failed:
            self._emit({"kind": Kind.TASK_DEAD_LETTERED, **event})
        elif getattr(self._again, "message_id", None) == message.message_id:
            self._again.message_id = None
            self._emit({"kind": Kind.TASK_RETRYING, **event, "eta": self._again.eta})
        else:
            self._emit({"kind": Kind.TASK_FAILED, **event})

    @guarded("dramatiq.skipped")
    def after_skip_message(self, broker: dramatiq.Broker, message: Any) -> None:
        known = self._end(message.message_id) or {}
        unwanted, run = known.get("unwanted", False), known.get("started")
        kind = Kind.TASK_CANCELLED if unwanted else Kind.TASK_EXPIRED if message.failed else Kind.TASK_SKIPPED
        self._emit({"kind": kind, **identity(broker, message), "worker": self.engine.worker_name, "run": run})
        if unwanted:
            self.host.state.delete(CANCEL + message.message_id)

    @guarded("dramatiq.nack")
    def after_nack(self, broker: dramatiq.Broker, message: Any) -> None:
        """Only of a message whose actor nobody knows nothing else was told."""
        if isinstance(getattr(message, "_exception", None), ActorNotFound):
            text = f"No actor is called {message.actor_name!r} here."
            error = Error(type="ActorNotFound", message=text, reason=Reason.UNKNOWN_TASK)
            worker = self.engine.worker_name
            vault = self.host.keep(message.message_id, message._message.encode())
            event = {"kind": Kind.TASK_DEAD_LETTERED, **identity(broker, message), "worker": worker, "error": error}
            self._emit({**event, "vault": vault})

    def arguments(self, broker: dramatiq.Broker, message: Any) -> dict[str, Any]:
        redactor, parameters = self.redactor(broker, message.actor_name), _parameters(broker, message.actor_name)
        told = redactor.call(parameters, tuple(message.args), dict(message.kwargs))
        return dict(zip(("args", "kwargs", "truncated"), told, strict=True))

    def redactor(self, broker: dramatiq.Broker, name: str) -> Telling:
        return self.host.redactor.of(name, _parameters(broker, name))

    def _emit(self, event: dict[str, Any]) -> None:
        self.host.emit(without_nothing(event))


def _parameters(broker: dramatiq.Broker, name: str) -> Parameters:
    actor = broker.actors.get(name)
    return Parameters.of(actor.fn) if actor is not None else Parameters()

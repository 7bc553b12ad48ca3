"""What Celery's own stores know of tasks that look stuck: the result backend of their end, the workers of the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from celery import states
from celery.backends.base import DisabledBackend
from celery.exceptions import TaskRevokedError
from z4j_core.engine import Target, verb
from z4j_core.safety import guard
from z4j_core.wire import Error, Kind, Source

from z4j_celery.facts import ENGINE, delivery, engine_error, micros, reason, without_nothing
from z4j_celery.queues import Queues
from z4j_celery.redis import RedisQueues

#: Seconds that workers have to answer; nobody can tell that no more answers come.
_TIMEOUT: Final = 1.0
_HELD: Final = {
    "active": Kind.TASK_STARTED,
    "reserved": Kind.TASK_RECEIVED,
    "scheduled": Kind.TASK_RECEIVED,
}


class Lookup(Queues):
    @verb(
        note="the result backend for an end; for the rest the workers, by remote control, and what they hold in Redis"
    )
    def lookup(self, targets: Sequence[Target]) -> Iterable[Mapping[str, Any]]:
        told = {target.task_id: event for target in targets if (event := self._ended(target))}
        for source in (self._held, self._given_back):
            open_ids = {target.task_id for target in targets} - told.keys()
            told |= {event["task_id"]: event for event in (source(open_ids) if open_ids else ())}
        return told.values()

    def has_backend(self) -> bool:
        return not isinstance(self.app.backend, DisabledBackend)

    def meta(self, task_id: str) -> dict[str, Any]:
        """What the result backend knows; nothing when there is none or it does not answer."""
        with suppress(Exception):
            return dict(self.app.backend.get_task_meta(task_id, cache=False))
        return {}

    def backend_state(self, task_id: str) -> str:
        return str(self.meta(task_id).get("status") or "")

    def is_known(self, task_id: str) -> bool:
        """Whether somebody worked on it: PENDING is what the backend says of any id."""
        return self.has_backend() and self.backend_state(task_id) not in ("", states.PENDING)

    def _ended(self, target: Target) -> dict[str, Any] | None:
        """PENDING is what the backend says of any id; STARTED stays for ever when a worker dies."""
        meta = self.meta(target.task_id) if self.has_backend() else {}
        with guard("celery.lookup"):
            end = self._end(meta)
            if end:
                facts = {"engine": ENGINE, "task_id": target.task_id, "ts": micros(meta.get("date_done"))}
                # With `result_extended` it knows more.
                more = {"name": meta.get("name"), "worker": meta.get("worker"), "attempt": meta.get("retries")}
                return without_nothing({**facts, **more, **end, "source": Source.RECONCILE})
        return None

    def _end(self, meta: Mapping[str, Any]) -> dict[str, Any]:
        """Of which task it is, a backend says only with `result_extended`."""
        result, name = meta.get("result"), meta.get("name")
        match meta.get("status"):
            case states.SUCCESS:
                if self.hooks is None:
                    return {"kind": Kind.TASK_SUCCEEDED, "result": ""}
                redactor = self.hooks.redactor(str(name)) if name else self.hooks.host.redactor.unsure()
                return {"kind": Kind.TASK_SUCCEEDED, "result": redactor.value(result)[0]}
            case states.FAILURE:
                return {"kind": Kind.TASK_FAILED, "error": _error(result)}
            case states.REVOKED:
                expired = isinstance(result, TaskRevokedError) and "expired" in result.args
                return {"kind": Kind.TASK_EXPIRED if expired else Kind.TASK_CANCELLED}
        return {}

    def _held(self, task_ids: set[str]) -> Iterator[dict[str, Any]]:
        """What a live worker holds. The answer has the arguments too, as they are: those stay here."""
        if not self.app.conf.worker_enable_remote_control:
            return
        with self.connection() as connection:
            answers = self.app.control.inspect(timeout=_TIMEOUT, connection=connection).query_task(*task_ids) or {}
        for worker, found in answers.items():
            for task_id, (state, info) in found.items():
                kind = _HELD.get(state)
                if kind is not None:
                    run = round((info.get("time_start") or 0) * 1_000_000) or None
                    event = {"kind": kind, "engine": ENGINE, "task_id": task_id, "name": info.get("name")}
                    event |= {"worker": worker, **delivery(info), "source": Source.RECONCILE}
                    yield without_nothing({**event, "ts": run, "run": run} if state == "active" else event)

    def _given_back(self, task_ids: set[str]) -> Iterator[dict[str, Any]]:
        """What a worker that is gone had taken from Redis: after the visibility timeout another gets it."""
        if self.driver() == "redis":
            with self.connection() as connection:
                messages = RedisQueues(connection).held(task_ids)
            for message in messages:
                event = self.waits(message, str((message.delivery_info or {}).get("routing_key") or ""))
                if event is not None:
                    yield event


def _error(error: Any) -> Error:
    """What a backend keeps of an exception: its type. The text beside it is nobody's to read unredacted."""
    if not isinstance(error, BaseException):
        return Error(type="Exception", message="", reason=reason(Exception()))
    return engine_error(error) or Error(type=type(error).__name__, message="", reason=reason(error))

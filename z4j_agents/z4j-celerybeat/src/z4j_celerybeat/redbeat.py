"""redbeat: schedules live in Redis, and beat reads there at every turn what is due.

A start of beat gives the schedules of the code their definition back. What people changed of those is kept in Redis,
beside them: another machine's beat may be the next to lead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, ClassVar, Final

from z4j_core.scheduler import Answer, Host, Target, verb
from z4j_core.timetable import ScheduleFacts
from z4j_core.wire import Outcome

from z4j_celerybeat import plans
from z4j_celerybeat.asking import exists, in_code, missing, task_of
from z4j_celerybeat.beating import CLEANUP, loaded
from z4j_celerybeat.of_app import OfApp
from z4j_celerybeat.overrides import Kept, Overrides
from z4j_celerybeat.plans import Refused

_LIBRARY: Final = "redbeat.schedulers"


class Hash:
    """Fills `z4j_core.adapter.Store`: a hash in the Redis of the schedules."""

    def __init__(self, app: Any) -> None:
        self._app = app

    @property
    def _redis(self) -> Any:
        return loaded(_LIBRARY).get_redis(self._app)

    @property
    def _name(self) -> str:
        return f"{self._app.redbeat_conf.key_prefix}:z4j"

    def get(self, key: str) -> bytes | None:
        found = self._redis.hget(self._name, key)
        return None if found is None else _text(found).encode()

    def put(self, key: str, value: bytes) -> None:
        self._redis.hset(self._name, key, value.decode())

    def delete(self, key: str) -> None:
        self._redis.hdel(self._name, key)

    def items(self, prefix: str) -> list[tuple[str, bytes]]:
        found = [(_text(key), _text(value).encode()) for key, value in self._redis.hgetall(self._name).items()]
        return [(key, value) for key, value in found if key.startswith(prefix)]


class RedBeat(OfApp):
    name: ClassVar[str] = "redbeat"
    called: ClassVar[str] = "redbeat"
    waits: ClassVar[bool] = True

    @classmethod
    def serves(cls, scheduler: Any) -> bool:
        return isinstance(scheduler, loaded(_LIBRARY).RedBeatScheduler)

    def version(self) -> str:
        return version("celery-redbeat")

    def install(self, host: Host) -> None:
        super().install(host)
        self._overrides = Overrides(Hash(self.app), self.name)

    def restore(self) -> None:
        """Also where this beat does not lead yet: its start has changed what the leading one reads."""
        for key, kept in list(self._overrides.all().items()):
            entry = self.entry(key)
            if entry is None or key not in self._in_code():
                self._overrides.put(key, {})
                continue
            self._change(entry, kept.get("edit", {}))
            entry.enabled = kept.get("enabled", entry.enabled)
            entry.save()

    def schedules(self) -> Iterable[tuple[str, ScheduleFacts]]:
        in_code = self._in_code()
        for entry in self._entries():
            told = self.facts(entry, enabled=bool(entry.enabled), code=entry.name in in_code)
            yield entry.name, self.differs(told, in_code.get(entry.name))

    def entry(self, key: str) -> Any:
        try:
            return self._load(self._key(key))
        except KeyError:
            return None

    @verb(note="saves the schedule; nothing missed is made up for")
    def schedule_enable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._set(target.name, enabled=True)

    @verb(note="saves the schedule")
    def schedule_disable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._set(target.name, enabled=False)

    @verb(note="saves the schedule; one of the code is given back by a start of beat, and changed again")
    def schedule_edit(self, target: Target, params: Mapping[str, Any]) -> Answer:
        given = self.given(params)
        entry = self.entry(target.name)
        if entry is None:
            return missing()
        changed = self._change(entry, given)
        _save(entry, anew=changed)
        if entry.name in self._in_code():
            self._overrides.edit(entry.name, given)
        return Answer(Outcome.DONE)

    @verb(note="saves a schedule")
    def schedule_create(self, target: Target, params: Mapping[str, Any]) -> Answer:
        given = self.given(params)
        plan = self.plan(plans.wish(given))
        if plan is None:
            raise Refused("Say when: a cron expression or an interval.")
        task = task_of(params)
        entry = self.entry(target.name)
        if entry is not None:
            return Answer(Outcome.DONE) if target.again and entry.task == task else exists()
        entry = self.scheduler.Entry(target.name, task, plan, args=[], kwargs={}, app=self.app)
        self._change(entry, given)
        entry.save()  # a new one counts from now on
        return Answer(Outcome.DONE)

    @verb(note="deletes the schedule; those of the code are disabled instead")
    def schedule_delete(self, target: Target, params: Mapping[str, Any]) -> Answer:
        entry = self.entry(target.name)
        if entry is None:
            return Answer(Outcome.DONE) if target.again else missing()
        if entry.name in self._in_code():
            return in_code()
        entry.delete()
        return Answer(Outcome.DONE)

    def _set(self, key: str, *, enabled: bool) -> Answer:
        entry = self.entry(key)
        if entry is None:
            return missing()
        anew = enabled and not entry.enabled
        entry.enabled = enabled
        _save(entry, anew=anew)
        if key in self._in_code():
            self._overrides.enable(key, enabled=enabled)
        return Answer(Outcome.DONE)

    # Entries.

    def _in_code(self) -> Mapping[str, Any]:
        return {CLEANUP: None, **(self.app.redbeat_conf.schedule or {})}

    def _key(self, key: str) -> str:
        return str(self.scheduler.Entry.generate_key(self.app, key))

    def _load(self, key: str) -> Any:
        return self.scheduler.Entry.from_key(key, app=self.app)

    def _entries(self) -> Iterable[Any]:
        for key in loaded(_LIBRARY).get_redis(self.app).zrange(self.app.redbeat_conf.schedule_key, 0, -1):
            try:
                yield self._load(_text(key))
            except KeyError:
                continue  # deleted meanwhile

    def _change(self, entry: Any, given: Kept) -> bool:
        """Whether it has another plan now."""
        plan = self.plan(plans.wish(given))
        entry.schedule = entry.schedule if plan is None else plan
        for name in ("args", "kwargs"):
            setattr(entry, name, given.get(name, getattr(entry, name)))
        if given.get("queue"):
            entry.options = {**entry.options, "queue": given["queue"]}
        return plan is not None


def _save(entry: Any, *, anew: bool) -> None:
    """`anew`: it counts from now on, not from its last run."""
    if anew:
        entry.last_run_at = entry.default_now()
    entry.save()
    if anew:
        entry.reschedule(entry.last_run_at)


def _text(found: Any) -> str:
    return found.decode() if isinstance(found, bytes) else str(found)

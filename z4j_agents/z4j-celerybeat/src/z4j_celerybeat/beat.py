"""Beat's own scheduler, which keeps its entries in memory and in a file of shelve's.

It has no way to disable an entry, and forgets with a restart what did not come from the code: what people changed is
kept on this machine, and applied again when beat starts. All of it is done in beat's own thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from celery import beat
from z4j_core.scheduler import Answer, Host, Target, emulated
from z4j_core.timetable import ScheduleFacts
from z4j_core.wire import Outcome

from z4j_celerybeat import plans
from z4j_celerybeat.asking import exists, in_code, missing, task_of
from z4j_celerybeat.of_app import OfApp
from z4j_celerybeat.overrides import Kept, Overrides
from z4j_celerybeat.plans import Refused

#: How the two that come with Celery get at their entries. What others make of it is not known here.
_OWN: Final = (beat.Scheduler.schedule, beat.PersistentScheduler.schedule)
_AGAIN: Final = "kept on the machine of beat, and applied again when it starts"


class Beat(OfApp):
    name: ClassVar[str] = "celerybeat"
    called: ClassVar[str] = "Beat"

    def __init__(self, service: Any) -> None:
        super().__init__(service)
        #: As of beat's last turn: other threads must not look at the scheduler's own.
        self._live: dict[str, Any] = {}
        self._disabled: dict[str, Any] = {}
        #: What the code says of entries that were edited; and which entries are not from the code at all.
        self._code: dict[str, Any] = {}
        self._created: set[str] = set()

    @classmethod
    def serves(cls, scheduler: Any) -> bool:
        return getattr(type(scheduler), "schedule", None) in _OWN

    def install(self, host: Host) -> None:
        super().install(host)
        self._overrides = Overrides(host.state, self.name)

    def restore(self) -> None:
        live = self.scheduler.schedule
        for key, kept in list(self._overrides.all().items()):
            if "task" not in kept and key not in live:
                self._overrides.put(key, {})  # the code has it no more
                continue
            entry = self._made_again(key, kept) if "task" in kept else live[key]
            if "task" not in kept and "edit" in kept:
                self._code[key] = entry
                entry = self._edited(entry, kept["edit"], keep_last=True)
            if kept.get("enabled", True):
                live[key] = entry
            else:
                live.pop(key, None)
                self._disabled[key] = entry
        self._renew()

    def turn(self) -> None:
        super().turn()
        self._live = dict(self.scheduler.schedule)

    def schedules(self) -> Iterable[tuple[str, ScheduleFacts]]:
        live, disabled = dict(self._live), dict(self._disabled)
        for key, entry in {**disabled, **live}.items():
            told = self.facts(entry, enabled=key in live, code=key not in self._created)
            yield key, self.differs(told, self._code.get(key))

    def entry(self, key: str) -> Any:
        return self._live.get(key) or self._disabled.get(key)

    @emulated(note="puts it back among beat's entries")
    def schedule_enable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self.at_turn(lambda: self._enable(target.name))

    @emulated(note=f"takes it out of beat's entries; {_AGAIN}")
    def schedule_disable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self.at_turn(lambda: self._disable(target.name))

    @emulated(note=f"exchanges beat's entry; {_AGAIN}")
    def schedule_edit(self, target: Target, params: Mapping[str, Any]) -> Answer:
        given = self.given(params)
        return self.at_turn(lambda: self._edit(target.name, given))

    @emulated(note=f"adds an entry; {_AGAIN}")
    def schedule_create(self, target: Target, params: Mapping[str, Any]) -> Answer:
        given = self.given(params)
        if not {"cron", "every"} & given.keys():
            raise Refused("Say when: a cron expression or an interval.")
        kept = {"task": task_of(params), "edit": given}
        return self.at_turn(lambda: self._create(target, kept))

    @emulated(note="takes out an entry that was made here; those of the code are disabled instead")
    def schedule_delete(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self.at_turn(lambda: self._delete(target))

    def on_sent(self, key: str, task_id: str, entry: Any, due: int | None) -> None:
        super().on_sent(key, task_id, entry, due)
        self._remember(key, self.sent[key])

    # In beat's thread.

    def _enable(self, key: str) -> Answer:
        entry = self._disabled.pop(key, None)
        if entry is None:
            return Answer(Outcome.DONE, "It was not disabled.") if key in self.scheduler.schedule else missing()
        self._overrides.enable(key, enabled=True)
        self.scheduler.schedule[key] = entry = self._fresh(entry)
        self._remember(key, entry.last_run_at.timestamp())
        return self._renewed()

    def _disable(self, key: str) -> Answer:
        entry = self.scheduler.schedule.get(key)
        if entry is None:
            return Answer(Outcome.DONE, "It was disabled already.") if key in self._disabled else missing()
        self._overrides.enable(key, enabled=False)
        self._disabled[key] = entry
        del self.scheduler.schedule[key]
        return self._renewed()

    def _edit(self, key: str, given: Kept) -> Answer:
        live = self.scheduler.schedule
        place = live if key in live else self._disabled
        if key not in place:
            return missing()
        edited = self._edited(place[key], given)
        if key not in self._created:
            self._code.setdefault(key, place[key])
        place[key] = edited
        self._overrides.edit(key, given)
        self._remember(key, edited.last_run_at.timestamp())
        return self._renewed()

    def _create(self, target: Target, kept: Kept) -> Answer:
        key = target.name
        if key in self.scheduler.schedule or key in self._disabled:
            same = target.again and key in self._created
            return Answer(Outcome.DONE) if same else exists()
        self.scheduler.schedule[key] = entry = self._made_again(key, kept)
        self._overrides.put(key, kept)
        self._remember(key, entry.last_run_at.timestamp())
        return self._renewed()

    def _delete(self, target: Target) -> Answer:
        key = target.name
        if key not in self.scheduler.schedule and key not in self._disabled:
            return Answer(Outcome.DONE) if target.again else missing()
        if key not in self._created:
            return in_code()
        self.scheduler.schedule.pop(key, None)
        self._disabled.pop(key, None)
        self._created.discard(key)
        self._overrides.put(key, {})
        return self._renewed()

    def _remember(self, key: str, last: float) -> None:
        """Beat keeps no entry that is not in the code: after a restart it would count from there anew."""
        if key in self._created:
            self._overrides.put(key, {**self._overrides.get(key), "last": last})

    def _renewed(self) -> Answer:
        self._renew()
        return Answer(Outcome.DONE)

    def _renew(self) -> None:
        """Beat reckons again what is due when."""
        self.scheduler._heap = None
        self._live = dict(self.scheduler.schedule)

    # Entries.

    def _edited(self, entry: Any, given: Kept, *, keep_last: bool = False) -> Any:
        """The entry with what was given of it. Another plan counts from now on, not from its last run."""
        plan = self.plan(plans.wish(given))
        options = {**entry.options, **({"queue": given["queue"]} if given.get("queue") else {})}
        parts = dict(entry) | {name: given[name] for name in ("args", "kwargs") if name in given} | {"options": options}
        changed = type(entry)(**parts | ({"schedule": plan} if plan is not None else {}))
        return changed if keep_last or plan is None else self._fresh(changed)

    def _fresh(self, entry: Any) -> Any:
        """Nothing that was missed is made up for."""
        return type(entry)(**dict(entry) | {"last_run_at": entry.default_now()})

    def _made_again(self, key: str, kept: Kept) -> Any:
        self._created.add(key)
        given = kept["edit"]
        last = datetime.fromtimestamp(kept["last"], UTC) if "last" in kept else None
        parts = {name: given[name] for name in ("args", "kwargs") if name in given}
        options = {"queue": given["queue"]} if given.get("queue") else {}
        plan = self.plan(plans.wish(given))
        return self.scheduler.Entry(
            name=key, task=kept["task"], schedule=plan, last_run_at=last, options=options, app=self.app, **parts
        )

"""django-celery-beat: schedules are rows of a Django project, and beat looks for changes at every turn.

Only saving a row tells beat of it, as `save` here does; an update of a query set would not. What the database says of
the last run is written late and reset by edits, so what was sent from here goes first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from z4j_core.scheduler import Answer, Host, Target, verb
from z4j_core.timetable import Definition, Plan, ScheduleFacts
from z4j_core.wire import Outcome

from z4j_celerybeat import plans
from z4j_celerybeat.asking import arguments, exists, in_code, missing, task_of
from z4j_celerybeat.beating import CLEANUP, Beating, loaded
from z4j_celerybeat.overrides import Kept, Overrides
from z4j_celerybeat.plans import Refused, Wish

_KINDS: Final = ("interval", "crontab", "solar", "clocked")
#: Microseconds in each period that an interval can count in, longest first.
_PERIODS: Final = {
    "days": 86_400_000_000,
    "hours": 3_600_000_000,
    "minutes": 60_000_000,
    "seconds": 1_000_000,
    "microseconds": 1,
}


class DjangoCeleryBeat(Beating):
    name: ClassVar[str] = "djangocelerybeat"

    def __init__(self, service: Any) -> None:
        super().__init__(service)
        #: As of beat's last turn; what is not due for hours is not among them.
        self._live: dict[str, Any] = {}

    @classmethod
    def serves(cls, scheduler: Any) -> bool:
        return isinstance(scheduler, loaded("django_celery_beat.schedulers").DatabaseScheduler)

    def version(self) -> str:
        return version("django-celery-beat")

    def install(self, host: Host) -> None:
        super().install(host)
        self._overrides = Overrides(host.state, self.name)

    def restore(self) -> None:
        """A start of beat gives rows of the code their plan and arguments back; whether they are enabled it leaves."""
        kept = list(self._overrides.all().items())
        if not kept:
            return
        self.scheduler.schedule_changed()  # from here on it sees that something has changed
        for key, override in kept:
            row = self._row(key)
            if row is None or key not in self._in_code():
                self._overrides.put(key, {})
                continue
            self._change(row, override.get("edit", {}), keep_last=True)
            row.save()

    def turn(self) -> None:
        super().turn()
        self._live = dict(self.scheduler._schedule or {})

    def schedules(self) -> Iterable[tuple[str, ScheduleFacts]]:
        in_code = self._in_code()
        with self._rows() as rows:
            for row in rows.select_related(*_KINDS):
                yield row.name, self._told(row, in_code)

    def entry(self, key: str) -> Any:
        with self._rows():
            row = self._row(key)
            return None if row is None else self._entry(row)

    @verb(note="saves the row; nothing missed is made up for")
    def schedule_enable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        with self._rows():
            row = self._row(target.name)
            if row is None:
                return missing()
            if row.clocked is not None and row.clocked.clocked_time <= datetime.now(UTC):
                raise Refused("Its moment has passed: give it another one first.")
            return self._saved(row, enabled=True)

    @verb(note="saves the row")
    def schedule_disable(self, target: Target, params: Mapping[str, Any]) -> Answer:
        with self._rows():
            row = self._row(target.name)
            return missing() if row is None else self._saved(row, enabled=False)

    @verb(note="saves the row; a plan from the code is given back by a start of beat, and changed again")
    def schedule_edit(self, target: Target, params: Mapping[str, Any]) -> Answer:
        given = _given(params)
        with self._rows():
            row = self._row(target.name)
            if row is None:
                return missing()
            self._change(row, given)
            answer = self._saved(row)
            if row.name in self._in_code():
                self._overrides.edit(row.name, given)
            return answer

    @verb(note="adds a row")
    def schedule_create(self, target: Target, params: Mapping[str, Any]) -> Answer:
        given = _given(params)
        if not {"cron", "every", "at"} & given.keys():
            raise Refused("Say when: a cron expression, an interval or a moment.")
        task = task_of(params)
        with self._rows() as rows:
            row = self._row(target.name)
            if row is not None:
                return Answer(Outcome.DONE) if target.again and row.task == task else exists()
            row = rows.model(name=target.name, task=task)
            self._change(row, given)
            return self._saved(row)

    @verb(note="deletes the row; those of the code are disabled instead")
    def schedule_delete(self, target: Target, params: Mapping[str, Any]) -> Answer:
        with self._rows():
            row = self._row(target.name)
            if row is None:
                return Answer(Outcome.DONE) if target.again else missing()
            if row.name in self._in_code():
                return in_code()
            row.delete()
            return Answer(Outcome.DONE)

    # Rows.

    @contextmanager
    def _rows(self) -> Iterator[Any]:
        """The agent's thread keeps no connection to the user's database."""
        try:
            yield self.scheduler.Model._default_manager
        finally:
            loaded("django.db").connections.close_all()

    def _row(self, key: str) -> Any:
        return self.scheduler.Model._default_manager.select_related(*_KINDS).filter(name=key).first()

    def _saved(self, row: Any, **changes: Any) -> Answer:
        for name, value in changes.items():
            setattr(row, name, value)
        try:
            row.save()
        except loaded("django.core.exceptions").ValidationError:
            raise Refused("django-celery-beat does not take such a row.") from None
        return Answer(Outcome.DONE)

    def _change(self, row: Any, given: Kept, *, keep_last: bool = False) -> None:
        for name in ("args", "kwargs"):
            if name in given:
                setattr(row, name, json.dumps(given[name]))
        if given.get("queue"):
            row.queue = given["queue"]
        wish = plans.wish(given)
        if wish == Wish():
            return
        field, plan = self._plan(wish, row)
        if row.clocked is not None or field == "clocked":
            row.one_off = field == "clocked"
        for kind in _KINDS:
            setattr(row, kind, plan if kind == field else None)
        if not keep_last:
            row.last_run_at = datetime.now(UTC)  # another plan counts from now on

    def _plan(self, wish: Wish, row: Any) -> tuple[str, Any]:
        """Which field of a row, and the row that it is to point to. Raises Refused."""
        if wish.cron:
            fields = plans.crontab(wish.cron)
            zone = {"timezone": ZoneInfo(wish.zone)} if wish.zone else {"timezone": self._zone(row)}
            return self._shared("crontab", **fields, **zone)
        if wish.every:
            period = next(period for period, length in _PERIODS.items() if wish.every % length == 0)
            return self._shared("interval", every=wish.every // _PERIODS[period], period=period)
        if wish.at:
            moment = datetime.fromtimestamp(wish.at / 1_000_000, UTC)
            if moment <= datetime.now(UTC):
                raise Refused("That moment has passed.")
            return self._shared("clocked", clocked_time=moment)
        if row.crontab is None:
            raise Refused("A time zone belongs to a cron expression.")
        cron = {name: getattr(row.crontab, name) for name in plans.FIELDS}
        return self._shared("crontab", **cron, timezone=ZoneInfo(wish.zone))

    def _shared(self, field: str, **values: Any) -> tuple[str, Any]:
        """Rows of plans are shared, and nothing says that there is only one of each."""
        model = next(model for _, model, name in self.scheduler.Entry.model_schedules if name == field)
        return field, model.objects.filter(**values).first() or model.objects.create(**values)

    def _zone(self, row: Any) -> Any:
        return ZoneInfo(self.zone()) if row.crontab is None else row.crontab.timezone

    # What is told.

    def _in_code(self) -> Mapping[str, Any]:
        return {CLEANUP: None, **self.app.conf.beat_schedule}

    def _entry(self, row: Any) -> Any:
        """As beat has it. None for a row that beat cannot use: it would write that down."""
        try:
            usable = row.scheduler is not None and json.loads(row.args or "[]") is not None
            json.loads(row.kwargs or "{}"), json.loads(row.headers or "{}")
        except ValueError:
            return None
        return self.scheduler.Entry(row, app=self.app) if usable else None

    def _told(self, row: Any, in_code: Mapping[str, Any]) -> ScheduleFacts:
        ran = row.last_run_at is not None
        entry = self._entry(row)
        if entry is None:
            return ScheduleFacts(
                task=row.task, engine=self.engine, plan=Plan.OTHER, text="not usable", zone="UTC",
                enabled=row.enabled, definition=Definition.STORE,
            )  # fmt: skip
        live = self._live.get(row.name)
        if live is not None and live.schedule == entry.schedule:
            entry.last_run_at, ran = live.last_run_at, True
        entry.total_run_count = entry.total_run_count if ran else 0
        told = self.facts(entry, enabled=row.enabled, code=row.name in in_code)
        if row.start_time is not None or (row.one_off and row.clocked is None):
            for name in ("cron", "every", "next"):
                told.pop(name, None)  # type: ignore[misc]
            told["plan"] = Plan.OTHER
            told["text"] += ", once" if row.one_off else f", from {row.start_time.isoformat()}"
        return self.differs(told, in_code.get(row.name))


def _given(params: Mapping[str, Any]) -> Kept:
    """What is kept of an edit. Raises Refused, before anything is changed."""
    wish, given = plans.wish(params), arguments(params)
    if wish.cron:
        plans.crontab(wish.cron)
    told = {"cron": wish.cron, "every": wish.every, "at": wish.at, "zone": wish.zone}
    return given | {name: value for name, value in told.items() if value}

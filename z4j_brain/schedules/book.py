"""Runs of schedules, read once, changed as agents tell, and written once: the same rows in whatever order they tell.

A run is known by its task, and holds a due time where it has one. Some schedulers send one task again and again under
one id: then that is the task of the run that was due last, and the earlier ones are known by their due times alone.

Of two that were sent for one due time, the first one that was sent holds it, one whose scheduler said so before one of
which we worked it out. What was sent takes the place of a due time of which we only knew that nothing was told, or that
it was skipped.

Within a transaction that has the schedules locked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from z4j_brain.agents.handover import Sent
from z4j_brain.schedules import due as dues
from z4j_brain.schedules import told
from z4j_brain.schedules.models import Run, Schedule
from z4j_brain.schedules.states import GUESSED, RunState

#: Runs of one schedule that are looked at anew when its plan is told.
REMATCHED = 1_000
_ENDED = {"succeeded": RunState.OK, "skipped": RunState.SKIPPED} | dict.fromkeys(
    ("failed", "dead_lettered", "cancelled", "expired", "rejected", "lost"), RunState.FAILED
)
_FIELDS = (
    "task_id",
    "moment",
    "due_at",
    "due_told",
    "fired_at",
    "engine",
    "asked",
    "state",
    "why",
    "times",
    "until_at",
    "started_at",
    "finished_at",
    "runtime_ms",
    "late_ms",
)
_AGAIN = "Its task was sent again under the same id before its end was told."
_WRONG = (RunState.FAILED, RunState.SKIPPED)
_MILLISECOND = timedelta(milliseconds=1)


class Book:
    """`tasks` and `due`: ids and due times that are known to be needed; others are looked up one by one."""

    def __init__(
        self, environment_id: int, schedules: Collection[int], tasks: Collection[str], due: Collection[datetime]
    ) -> None:
        self.environment_id = environment_id
        self._by_task: dict[tuple[int, str], Run] = {}
        self._by_due: dict[tuple[int, datetime], Run | None] = {}
        self._stored: dict[int, Run] = {}
        self._stood: dict[int, datetime | None] = {}
        self._noted: dict[int, Run] = {}
        self._dropped: set[int] = set()
        if schedules and (tasks or due):
            wanted = Q(task_id__in=tasks) | Q(due_at__in=due, asked=False)
            self._learn(Run.objects.filter(wanted, schedule__in=schedules))

    def fired(self, schedule: Schedule, at: datetime, task_id: str, data: Mapping[str, Any]) -> bool:
        """A task was sent. Told again, it is the same run; true when it is new."""
        due = told.moment(data.get("due"))
        run = self._by_task.get((schedule.pk, task_id))
        if run is not None and run.due_told and run.due_at and due is not None and due < run.due_at:
            return self._outlived(schedule, at, due, data)
        if run is not None and run.due_told and run.due_at and due is not None and due > run.due_at:
            self._outlive(run)
            run = None
        is_new = run is None
        if run is None:
            run = Run(environment_id=self.environment_id, schedule=schedule, moment=at, task_id=task_id)
            self._by_task[schedule.pk, task_id] = run
        run.fired_at = min(run.fired_at or at, at)
        run.engine = run.engine or told.text(data.get("engine"), 32)
        run.asked = run.asked or data.get("asked") is True
        if run.asked:
            self._release(run)
        elif due is not None:
            self._claim(run, due, is_told=True)
        elif not run.due_told:
            self._guess(schedule, run)
        self._note(run)
        return is_new

    def skipped(self, schedule: Schedule, due: datetime, why: str) -> None:
        run = self._holder(schedule.pk, due)
        if run is None:
            run = Run(environment_id=self.environment_id, schedule=schedule, moment=due, due_at=due, due_told=True)
            self._by_due[schedule.pk, due] = run
        elif run.fired_at or run.state not in GUESSED:
            return
        run.state, run.why, run.due_told = RunState.SKIPPED, why, True
        run.times, run.until_at = 1, None
        self._note(run)

    def rematch(self, schedule: Schedule) -> None:
        """Its plan is another: what was sent since then without a due time may have one."""
        rows = Run.objects.filter(schedule=schedule, due_told=False, asked=False, fired_at__gte=schedule.plan_from)
        self._learn(rows.exclude(task_id="").order_by("-moment")[:REMATCHED])
        guessed = [
            run
            for (pk, _), run in self._by_task.items()
            if pk == schedule.pk and not (run.due_told or run.asked) and run.fired_at
        ]
        guessed = [run for run in guessed if run.fired_at and run.fired_at >= schedule.plan_from]
        for run in guessed:
            self._release(run)
        for run in guessed:
            self._guess(schedule, run)
            self._note(run)

    def follow(self, sent: Collection[Sent]) -> None:
        """How the tasks of runs stand now."""
        runs: dict[tuple[str, str], list[Run]] = defaultdict(list)
        for (_, task_id), run in self._by_task.items():
            runs[run.engine, task_id].append(run)
        for one in sent:
            for run in runs.get((one.engine, one.task_id), ()):
                if not self._is_before(one, run):
                    _stand(run, one)
                    self._note(run)

    def _is_before(self, one: Sent, run: Run) -> bool:
        """Is this still how an earlier run of the same task went? The clocks of those who told alone do not say so."""
        ended, began = told.moment(one.finished_at), told.moment(one.started_at)
        moment = ended or began
        if moment is None or run.fired_at is None or moment >= run.fired_at:
            return False
        earlier = Run.objects.filter(schedule=run.schedule_id, due_at__lt=run.moment, finished_at=ended)
        return earlier.filter(started_at=began).exclude(pk=run.pk).exists()

    def write(self) -> dict[int, list[Run]]:
        """Write what has changed; by schedule, those runs of which a task is known."""
        runs = list(self._noted.values())
        stored = [run for run in runs if run.pk]
        moved = [run.pk for run in stored if self._stood[run.pk] not in (None, run.due_at)]
        Run.objects.filter(pk__in=self._dropped).delete()
        Run.objects.filter(pk__in=moved).update(due_at=None)  # two that change places are never in one
        Run.objects.bulk_update(sorted(stored, key=lambda run: run.pk), _FIELDS)
        Run.objects.bulk_create([run for run in runs if not run.pk])
        found: dict[int, list[Run]] = defaultdict(list)
        for run in runs:
            if run.fired_at:
                found[run.schedule_id].append(run)
        return found

    def _learn(self, rows: QuerySet[Run]) -> None:
        for row in rows:
            if row.pk in self._stood:
                continue
            self._stored[row.pk], self._stood[row.pk] = row, row.due_at
            if row.task_id:
                self._by_task[row.schedule_id, row.task_id] = row
            if row.due_at and not row.asked:
                self._by_due[row.schedule_id, row.due_at] = row

    def _holder(self, schedule: int, due: datetime) -> Run | None:
        if (schedule, due) not in self._by_due:
            self._by_due[schedule, due] = None
            self._learn(Run.objects.filter(schedule=schedule, due_at=due, asked=False))
        return self._by_due[schedule, due]

    def _outlive(self, run: Run) -> None:
        """Its task is sent again, under its own id: from here on that id stands for another run."""
        run.task_id = ""
        if run.state == RunState.PENDING:
            run.state, run.why = RunState.UNKNOWN, _AGAIN
        self._note(run)

    def _outlived(self, schedule: Schedule, at: datetime, due: datetime, data: Mapping[str, Any]) -> bool:
        """It is told late: its task was sent again since then. Told again, it is the same run; true when it is new."""
        holder = self._holder(schedule.pk, due)
        if holder is not None and holder.fired_at:
            return False
        run = Run(environment_id=self.environment_id, schedule=schedule, moment=at, fired_at=at)
        run.engine, run.state, run.why = told.text(data.get("engine"), 32), RunState.UNKNOWN, _AGAIN
        self._claim(run, due, is_told=True)
        self._note(run)
        return True

    def _claim(self, run: Run, due: datetime, *, is_told: bool) -> None:
        """Give it this due time, unless another one holds it with a better right."""
        if run.due_at == due:
            run.due_told = run.due_told or is_told
            return
        holder = self._holder(run.schedule_id, due)
        if (
            holder is not None
            and holder.fired_at
            and _rank(holder, is_told=holder.due_told) < _rank(run, is_told=is_told)
        ):
            run.due_told = run.due_told or is_told
            return
        if holder is not None and holder.fired_at:
            said = holder.due_told
            self._release(holder)
            holder.due_told = said
            self._note(holder)
        elif holder is not None:
            self._yield(holder, dues.following(run.schedule, due))
        elif run.pk is None:
            self._stands_for(run.schedule_id, due, due)
        self._release(run)
        run.due_at, run.due_told = due, is_told
        self._by_due[run.schedule_id, due] = run

    def _guess(self, schedule: Schedule, run: Run) -> None:
        if run.fired_at is None:
            return
        if due := dues.last_before(schedule, run.fired_at):
            self._claim(run, due, is_told=False)
        elif run.pk is None and schedule.every_us:
            near = timedelta(microseconds=schedule.every_us) / 2
            self._stands_for(schedule.pk, run.fired_at - near, run.fired_at + dues.EARLY)

    def _stands_for(self, schedule: int, since: datetime, until: datetime) -> None:
        """It was sent after all: one of the due times that nothing was told of is one less."""
        rows = Run.objects.filter(schedule=schedule, moment__lte=until).order_by("-moment")
        self._learn(rows[:1])
        last = next((self._stored[pk] for pk in rows.values_list("pk", flat=True)[:1]), None)
        if last is None or last.state not in GUESSED or last.fired_at or last.pk in self._dropped:
            return
        if (last.until_at or last.moment) >= since:
            self._yield(last, last.due_at)

    def _yield(self, guess: Run, begins: datetime | None) -> None:
        """One due time less that nothing was told of; of several on end only where they begin is written down."""
        if guess.times == 1 or guess.until_at is None:
            self._drop(guess)
            return
        guess.times -= 1
        begins = guess.until_at if guess.times == 1 or begins is None else min(begins, guess.until_at)
        self._release(guess)
        guess.due_at, guess.until_at = begins, guess.until_at if guess.times > 1 else None
        self._by_due[guess.schedule_id, begins] = guess
        self._note(guess)

    def _release(self, run: Run) -> None:
        if run.due_at is not None and self._by_due.get((run.schedule_id, run.due_at)) is run:
            self._by_due[run.schedule_id, run.due_at] = None
        run.due_at, run.due_told = None, False

    def _drop(self, run: Run) -> None:
        self._release(run)
        self._noted.pop(id(run), None)
        if run.pk:
            self._dropped.add(run.pk)

    def _note(self, run: Run) -> None:
        run.moment = run.due_at or run.fired_at or run.moment
        run.late_ms = None
        if run.due_at is not None and run.fired_at is not None:
            run.late_ms = max((run.fired_at - run.due_at) / _MILLISECOND, 0.0)
        self._noted[id(run)] = run


def _rank(run: Run, *, is_told: bool) -> tuple[bool, datetime | None, str]:
    """The lowest has the best right to a due time."""
    return not is_told, run.fired_at, run.task_id


def _stand(run: Run, sent: Sent) -> None:
    run.state = _ENDED.get(sent.state, RunState.PENDING)
    run.why = (sent.error_type or sent.state.replace("_", " ").capitalize())[:200] if run.state in _WRONG else ""
    run.started_at, run.finished_at = told.moment(sent.started_at), told.moment(sent.finished_at)
    run.runtime_ms = sent.runtime_ms

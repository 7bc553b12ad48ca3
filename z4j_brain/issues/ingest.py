"""From failures to issues: once a batch, in its transaction, with a few statements for all of its failures.

What is counted are tasks that stand failed: a failure that comes is added, one that no longer stands is taken out, as
in the statistics. So numbers and times are the same in whatever order and batches the events came, and however often.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from z4j_brain.fleet.models import Worker
from z4j_brain.issues.models import Hour, Issue
from z4j_brain.issues.states import IssueState
from z4j_brain.lib import bulk, nudge
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.retention import horizon, midnight
from z4j_brain.tasks.failing import Failure, Gone, come
from z4j_brain.tasks.models import Task

KIND = "issue"
_HOUR = 3600
#: For how long it is known how many failed in which hour.
HOURS_KEPT = timedelta(days=8)
#: Rows that one run of housekeeping takes in one environment, and numbers of hours in one statement.
PRUNED, WRITTEN = 500, 500
_NUMBERS = ("count", "first_at", "last_at", "first_code", "last_code", "message", "frame", "sample")
_STANDING = ("state", "snoozed_until", "snoozed_to", "regressed_at")
_TIMES = frozenset(("first_at", "last_at", "snoozed_until", "regressed_at"))


@dataclass(slots=True)
class Change:
    """What a batch did to one issue."""

    gone: list[int] = field(default_factory=list)
    come: list[Failure] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.come) - len(self.gone)

    @property
    def first(self) -> Failure:
        return min(self.come, key=lambda failure: (failure.at, failure.task))

    @property
    def last(self) -> Failure:
        return max(self.come, key=lambda failure: (failure.at, failure.task))

    def hours(self) -> dict[int, int]:
        found: dict[int, int] = defaultdict(int)
        for times, moments in ((-1, self.gone), (1, [failure.at for failure in self.come])):
            for at in moments:
                seconds = at // 1_000_000
                found[seconds - seconds % _HOUR] += times
        return {hour: count for hour, count in found.items() if count}


class Releases:
    """The user's code that workers run, looked up once for all failures of a batch."""

    def __init__(self, environment_id: int, failures: Iterable[Failure]) -> None:
        self._environment_id = environment_id
        self._names = {failure.worker for failure in failures if failure.worker}

    def of(self, failure: Failure) -> str:
        return self._known.get((failure.engine, failure.worker), "")

    @cached_property
    def _known(self) -> dict[tuple[str, str], str]:
        workers = Worker.objects.filter(environment=self._environment_id, name__in=self._names)
        return {(worker.engine, worker.name): worker.code[:64] for worker in workers if worker.code}


def take(environment_id: int, gone: Sequence[Gone], failures: Sequence[Failure]) -> None:
    """Bring the issues of these failures up to date, in the transaction that stores their tasks."""
    changes: dict[str, Change] = defaultdict(Change)
    for fingerprint, at in gone:
        changes[fingerprint].gone.append(at)
    for failure in failures:
        changes[failure.issue].come.append(failure)
    releases = Releases(environment_id, failures)
    issues = _locked(environment_id, changes, releases)
    over = [issue for issue in issues if not _apply(issue, changes[issue.fingerprint], releases)]
    _write([issue for issue in issues if issue not in over])
    _count_hours([(issue, changes[issue.fingerprint]) for issue in issues if issue not in over])
    Issue.objects.filter(pk__in=[issue.pk for issue in over]).delete()
    nudge.on_commit(environment_id, KIND, [issue.fingerprint for issue in issues])


def _locked(environment_id: int, changes: dict[str, Change], releases: Releases) -> list[Issue]:
    """The issues, made where they are new, and locked in one order. New ones first, so that two writers never cross."""
    here = Issue.objects.filter(environment=environment_id, fingerprint__in=changes)
    wanted = {fingerprint for fingerprint, change in changes.items() if change.come}
    while True:
        missing = sorted(wanted - set(here.values_list("fingerprint", flat=True)))
        Issue.objects.bulk_create(
            [_made(environment_id, changes[one].last, releases) for one in missing], ignore_conflicts=True
        )
        found = list(here.select_for_update().order_by("fingerprint"))
        if wanted <= {issue.fingerprint for issue in found}:  # else housekeeping has taken one meanwhile
            return found


def _made(environment_id: int, failure: Failure, releases: Releases) -> Issue:
    at, code = _moment(failure.at), releases.of(failure)
    return Issue(
        environment_id=environment_id,
        fingerprint=failure.issue,
        name=failure.name,
        error_type=failure.error_type,
        message=failure.message,
        frame=failure.frame,
        sample=failure.task,
        first_at=at,
        last_at=at,
        first_code=code,
        last_code=code,
    )


def _apply(issue: Issue, change: Change, releases: Releases) -> bool:
    """False where nothing is left of it, and nobody has said anything about it."""
    issue.count += change.count
    if {issue.first_at, issue.last_at} & {_moment(at) for at in change.gone} and not _look_again(issue, releases):
        return issue.count > 0 or issue.is_touched
    if change.come:
        _see_first(issue, change.first, releases)
        _see_last(issue, change.last, releases)
        _open_again(issue, change)
    return True


def _look_again(issue: Issue, releases: Releases) -> bool:
    """The first or the last one is gone: which ones are now? Of those that are still kept."""
    tasks = Task.objects.filter(environment=issue.environment_id, issue=issue.fingerprint).exclude(issue="")
    first, last = tasks.order_by("finished_at", "pk").first(), tasks.order_by("finished_at", "pk").last()
    if first is None or last is None:
        return False
    for seen, task in ((_set_first, first), (_set_last, last)):
        failure = come(task.pk, task.engine, vars(task) | {"finished_at": bulk.micros(task.finished_at)})
        if failure:
            seen(issue, failure, Releases(issue.environment_id, [failure]).of(failure))
    return True


def _see_first(issue: Issue, failure: Failure, releases: Releases) -> None:
    if _moment(failure.at) < issue.first_at:
        _set_first(issue, failure, releases.of(failure))


def _see_last(issue: Issue, failure: Failure, releases: Releases) -> None:
    if _moment(failure.at) >= issue.last_at:
        _set_last(issue, failure, releases.of(failure))


def _set_first(issue: Issue, failure: Failure, code: str) -> None:
    issue.first_at, issue.first_code = _moment(failure.at), code


def _set_last(issue: Issue, failure: Failure, code: str) -> None:
    issue.last_at, issue.last_code = _moment(failure.at), code
    issue.message, issue.frame, issue.sample = failure.message, failure.frame, failure.task


def _open_again(issue: Issue, change: Change) -> None:
    """Failures after it was resolved, or more of them than it was to sleep through."""
    if issue.state == IssueState.RESOLVED and issue.resolved_at:
        since = bulk.micros(issue.resolved_at) or 0
        after = [failure.at for failure in change.come if failure.at > since]
        if after:
            issue.state, issue.regressed_at = IssueState.OPEN, _moment(min(after))
    elif issue.state == IssueState.SNOOZED and issue.snoozed_to is not None and issue.count >= issue.snoozed_to:
        issue.state, issue.snoozed_to, issue.snoozed_until = IssueState.OPEN, None, None


def _write(issues: Sequence[Issue]) -> None:
    names = (*_NUMBERS, *_STANDING)
    if issues:
        bulk.update(Issue, ("id", *names), [(issue.pk, *(_stored(issue, name) for name in names)) for issue in issues])


def _stored(issue: Issue, name: str) -> object:
    value = getattr(issue, name)
    if name in _TIMES and value is not None:
        return bulk.stored_time(bulk.micros(value) or 0)
    return value


def _count_hours(changed: Sequence[tuple[Issue, Change]]) -> None:
    rows = [(issue.pk, *pair) for issue, change in changed for pair in sorted(change.hours().items())]
    table = Hour._meta.db_table
    with connection.cursor() as cursor:
        for some in bulk.batched(rows, WRITTEN):
            cursor.execute(
                f"INSERT INTO {table} (issue_id, hour, count) VALUES {', '.join(['(%s, %s, %s)'] * len(some))} "  # noqa: S608
                f"ON CONFLICT (issue_id, hour) DO UPDATE SET count = {table}.count + excluded.count",
                [value for row in some for value in row],
            )


def _moment(at: int) -> datetime:
    return bulk.EPOCH + timedelta(microseconds=at)


def wake() -> None:
    """Open what was to sleep until now."""
    due = Issue.objects.filter(state=IssueState.SNOOZED, snoozed_until__lte=timezone.now())
    for environment_id, fingerprint in list(due.values_list("environment_id", "fingerprint")[:PRUNED]):
        here = due.filter(environment=environment_id, fingerprint=fingerprint)
        if here.update(state=IssueState.OPEN, snoozed_until=None, snoozed_to=None):
            nudge.send(environment_id, KIND, [fingerprint])


def prune(now: datetime | None = None) -> None:
    """Forget issues of which no task is kept any more, and in which hour failures of long ago were."""
    now = now or timezone.now()
    since = int((now - HOURS_KEPT).timestamp())
    old = list(Hour.objects.filter(hour__lt=since).order_by("pk").values_list("pk", flat=True)[: PRUNED * 10])
    Hour.objects.filter(pk__in=old).delete()
    for environment in Environment.objects.all():
        _forget(environment.pk, midnight(horizon(environment.tasks_days)))


def _forget(environment_id: int, before: datetime) -> None:
    tasks = Task.objects.filter(environment=environment_id, issue=OuterRef("fingerprint")).exclude(issue="")
    empty = Issue.objects.filter(~Exists(tasks), environment=environment_id, last_at__lt=before)
    with transaction.atomic():
        chosen = list(empty.select_for_update(of=("self",)).values_list("pk", flat=True)[:PRUNED])
        Issue.objects.filter(pk__in=chosen).delete()

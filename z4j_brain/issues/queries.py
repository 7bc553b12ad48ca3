"""Reading issues: lists, one of them, how it went over the last day, and who may look after it.

An issue counts the failures of all queues, and shows one of them. So it is for those who see all that is in its
environment: whoever is narrowed to some queues or task names finds none here, as with every other figure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Final

from django.db.models import Count, Q, QuerySet
from django.http import Http404
from django.utils.translation import gettext, gettext_lazy

from z4j_brain.fleet.models import Worker
from z4j_brain.issues.models import Hour, Issue
from z4j_brain.issues.states import IssueState
from z4j_brain.lib.listing import invalid
from z4j_brain.lib.problem import Fault
from z4j_brain.lib.words import number
from z4j_brain.rbac import access, electors
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment, User
from z4j_brain.tasks.models import Task

_HOUR: Final = 3600
#: Hours of a trend; the one that goes on is the last.
HOURS: Final = 24
#: What is found by words; messages are guarded, so they are not among it.
_FOUND_IN: Final = ("error_type", "name", "frame", "fingerprint")
#: Open ones are counted up to here.
MANY: Final = 99
#: Releases of one issue that are told.
RELEASES: Final = 10
#: Of whoever does not exist, and whoever may not see it.
NOBODY: Final = gettext_lazy("Nobody of that name sees the issues here.")
#: People that an issue can be given to, as a form offers them.
OFFERED: Final = 200


@dataclass(frozen=True, slots=True)
class Trend:
    """Tasks that ended with an issue, hour by hour, oldest first."""

    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def most(self) -> int:
        return max(self.counts, default=0)

    @property
    def words(self) -> str:
        if not self.total:
            return gettext("none in the last 24 hours")
        if sum(self.counts[-2:]) == self.total:
            return gettext("all in the last hour or two")
        busy = sum(1 for count in self.counts if count)
        told = {"busy": busy, "hours": HOURS, "most": number(self.most)}
        return gettext("in %(busy)s of the last %(hours)s hours, at most %(most)s in one") % told


def issues(actor: Actor, environment: Environment) -> QuerySet[Issue]:
    """Those of an environment."""
    if not rbac.sees_everything(actor, environment):
        return Issue.objects.none()
    return rbac.within(Issue.objects.select_related("assignee"), actor, environment)


def detail(actor: Actor, environment: Environment, fingerprint: str) -> Issue:
    found = issues(actor, environment).select_related("environment__project").filter(fingerprint=fingerprint).first()
    if found is None:
        raise Http404
    return found


def counted(here: QuerySet[Issue], actor: Actor) -> dict[str, int]:
    """How many of these there are in each state, and how many that are not resolved are the reader's own."""
    mine = Count("pk", filter=owned(actor))
    states = {state.value: Count("pk", filter=Q(state=state)) for state in IssueState}
    return dict(here.select_related(None).aggregate(mine=mine, **states))


def matching(here: QuerySet[Issue], words: str) -> QuerySet[Issue]:
    """Those that each of the words stands in somewhere."""
    for word in words.split():
        here = here.filter(reduce(or_, (Q(**{f"{field}__icontains": word}) for field in _FOUND_IN)))
    return here


def owned(actor: Actor) -> Q:
    """What the reader looks after and has not resolved."""
    return Q(assignee=actor.user) & ~Q(state=IssueState.RESOLVED) if actor.user else Q(pk__in=[])


def open_count(actor: Actor, environment: Environment) -> int:
    """Up to one more than `MANY`."""
    return len(issues(actor, environment).filter(state=IssueState.OPEN).values_list("pk")[: MANY + 1])


def trends(rows: Sequence[Issue], now: datetime) -> dict[int, Trend]:
    """By key of the issue."""
    last = int(now.timestamp()) // _HOUR * _HOUR
    first = last - (HOURS - 1) * _HOUR
    found: dict[int, dict[int, int]] = defaultdict(dict)
    here = Hour.objects.filter(issue__in=[row.pk for row in rows], hour__gte=first)
    for pk, hour, count in here.values_list("issue", "hour", "count"):
        found[pk][hour] = max(count, 0)
    hours = range(first, last + 1, _HOUR)
    return {row.pk: Trend(tuple(found[row.pk].get(hour, 0) for hour in hours)) for row in rows}


def sample(actor: Actor, issue: Issue) -> Task | None:
    """The task that failed last with it, or else one that is still kept."""
    here = rbac.within(Task.objects.select_related("environment__project"), actor, issue.environment)
    of_issue = here.filter(issue=issue.fingerprint).exclude(issue="")
    return of_issue.filter(pk=issue.sample).first() or of_issue.order_by("-id").first()


def release(environment_id: int) -> str:
    """The user's code that the worker runs which began last."""
    alive = Worker.objects.filter(environment=environment_id, offline_at=None).exclude(started_at=None)
    return next((worker.code for worker in alive.order_by("-started_at")[:RELEASES] if worker.code), "")


def since_release(actor: Actor, environment: Environment, release: str) -> int:
    """Open ones that this release saw first."""
    here = issues(actor, environment).filter(state=IssueState.OPEN)
    return here.filter(first_code=release).count() if release else 0


def person(name: str) -> User | None:
    """Whom an issue is to be given to, by their user name; nobody by an empty one."""
    if not name:
        return None
    user = User.objects.filter(username=name).first()
    if user is None:
        raise invalid([Fault(pointer="#/assignee", detail=str(NOBODY))])
    return user


def people(environment: Environment) -> list[User]:
    """Who may look after an issue here: whoever sees the environment."""
    return electors.seers(environment)[:OFFERED]


def sees(user: User, environment: Environment) -> bool:
    return access.permissions(Actor.of_user(user), environment).sees_everything

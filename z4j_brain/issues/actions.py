"""What people say about an issue: who looks after it, and that it is resolved, or can wait, or is open after all."""

from __future__ import annotations

from datetime import datetime

from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext

from z4j_brain.issues import queries
from z4j_brain.issues.ingest import KIND
from z4j_brain.issues.models import Issue
from z4j_brain.issues.states import IssueState
from z4j_brain.lib.listing import invalid
from z4j_brain.lib.problem import Fault
from z4j_brain.rbac.action import Record, action
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import User
from z4j_brain.rbac.states import Permission


@action(Permission.RETRY, "issue.assign")
def assign(issue: Issue, user: User | None, *, actor: Actor, reason: str = "", record: Record) -> Issue:
    """Give it to somebody who sees it, or to nobody."""
    if user is not None and not (user.is_active and queries.sees(user, issue.environment)):
        raise invalid([Fault(pointer="#/assignee", detail=str(queries.NOBODY))])
    here = _locked(issue)
    here.assignee = user
    return _said(here, record, assignee=str(user.pk) if user else "")


@action(Permission.RETRY, "issue.resolve")
def resolve(issue: Issue, *, actor: Actor, reason: str = "", record: Record) -> Issue:
    """It is over as of now, in the release that runs now. A later failure opens it again."""
    here = _locked(issue)
    here.state, here.regressed_at = IssueState.RESOLVED, None
    here.snoozed_until = here.snoozed_to = None
    here.resolved_at, here.resolved_by = timezone.now(), actor.name[:255]
    here.resolved_code = queries.release(here.environment_id) or here.last_code
    return _said(here, record, code=here.resolved_code)


@action(Permission.RETRY, "issue.snooze")
def snooze(issue: Issue, until: datetime | None = None, *, actor: Actor, reason: str = "", record: Record) -> Issue:
    """Out of the way until that time; without one, until twice as many tasks have failed."""
    if until is not None and until <= timezone.now():
        raise invalid([Fault(pointer="#/until", detail=gettext("That time has passed."))])
    here = _locked(issue)
    here.state, here.snoozed_until = IssueState.SNOOZED, until
    here.snoozed_to = None if until else max(here.count, 1) * 2
    return _said(here, record, until=until.isoformat() if until else "", count=here.snoozed_to)


@action(Permission.RETRY, "issue.reopen")
def reopen(issue: Issue, *, actor: Actor, reason: str = "", record: Record) -> Issue:
    """It is neither over nor can it wait."""
    here = _locked(issue)
    here.state = IssueState.OPEN
    here.snoozed_until = here.snoozed_to = None
    return _said(here, record)


def _locked(issue: Issue) -> Issue:
    rows = Issue.objects.select_for_update(of=("self",)).select_related("environment__project", "assignee")
    here = rows.filter(pk=issue.pk).first()
    if here is None:
        raise Http404(gettext("There is no such issue any more."))
    return here


def _said(issue: Issue, record: Record, **params: object) -> Issue:
    issue.save()
    record.target(KIND, issue.fingerprint)
    record.params(params)
    record.nudge(issue.environment_id, KIND, [issue.fingerprint])
    return issue

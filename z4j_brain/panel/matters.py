"""What needs attention in an environment, the gravest first: each in a sentence, with the page that goes on with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.utils.translation import gettext, gettext_lazy, ngettext, pgettext_lazy

from z4j_brain.alerts import queries as alerts
from z4j_brain.fleet import findings, flows
from z4j_brain.fleet.flows import Flow, Outlook
from z4j_brain.fleet.models import Worker
from z4j_brain.issues import queries as issues
from z4j_brain.issues import view as issue_words
from z4j_brain.issues.states import IssueState
from z4j_brain.lib.words import day, number, percent
from z4j_brain.operations import inbox
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.schedules import view as schedules
from z4j_brain.schedules.models import Schedule
from z4j_brain.stats.deploys import Worse
from z4j_brain.stats.queries import Table

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

#: A name with fewer failures, or a smaller share of them, is not worth a line.
FAILURES, SHARE = 5, 0.05
#: Of each kind, those with a line of their own.
ALERTS, RETURNED, FINDINGS, FAILING, APPROVALS = 3, 3, 3, 3, 2
#: Schedules in trouble that are counted, and names that one sentence holds.
SCHEDULES, NAMED = 20, 3


@dataclass(frozen=True, slots=True)
class Matter:
    """Something that wants attention: what, why, and the page that goes on with it. `tone`: the class of its icon."""

    icon: str
    tone: str
    what: str
    why: str
    page: str
    query: str = ""
    step: StrOrPromise = gettext_lazy("Look")
    id: object = None


def alerting(actor: Actor, place: Environment) -> Iterator[Matter]:
    """What rules have found and is not over, the newest first."""
    for alert in alerts.alerts(actor, place).filter(ended_at=None).order_by("-id")[:ALERTS]:
        what = f"{alert.rule_name}: {alert.subject}" if alert.subject else alert.rule_name
        yield Matter("triangle-alert", "failed-i", what, alert.text, "alert-history")


def deployed(worse: Worse | None) -> Iterator[Matter]:
    """That more fails since new code runs, with the statistics of just that time."""
    if worse is not None:
        yield Matter("bug", "failed-i", worse.what, worse.why, "statistics", worse.limits)


def wrong(actor: Actor, place: Environment, workers: Sequence[Worker]) -> Iterator[Matter]:
    for found in islice(findings.wrong(actor, place, workers), FINDINGS):
        where = " " + gettext("On %(where)s.") % {"where": found.where} if found.where else ""
        yield Matter(
            "stethoscope", "failed-i" if found.grave else "warn-i", found.what, f"{found.fix}{where}", "doctor"
        )


def returned(actor: Actor, place: Environment) -> Iterator[Matter]:
    """Issues that somebody resolved and that failed again."""
    open_ones = issues.issues(actor, place).filter(state=IssueState.OPEN, regressed_at__isnull=False)
    for issue in open_ones.order_by("-regressed_at")[:RETURNED]:
        what = gettext("%(error)s in %(name)s is %(back)s") % {
            "error": issue_words.title(issue),
            "name": issue.name or gettext("unnamed tasks"),
            "back": issue_words.back(issue),
        }
        why = ngettext("%(n)s task stand failed with it.", "%(n)s tasks stand failed with it.", issue.count)
        step = pgettext_lazy("verb", "Open")
        told = why % {"n": number(issue.count)}
        yield Matter("bug", "failed-i", what, told, "issue", step=step, id=issue.fingerprint)


def asked(actor: Actor, place: Environment) -> Iterator[Matter]:
    """What waits for the reader's own answer."""
    for wish in inbox.waiting(actor, place)[:APPROVALS]:
        why = wish.reason or gettext("No reason was given.")
        yield Matter("check-check", "warn-i", inbox.asks(wish), why, "approval", step=gettext("Review"), id=wish.pk)


def scheduled(actor: Actor, place: Environment, found: Sequence[Schedule]) -> Iterator[Matter]:
    """Those whose last run went wrong, as one matter, and schedulers that fell silent."""
    if found:
        names = ", ".join(one.key for one in found[:NAMED])
        if len(found) > NAMED:
            names = gettext("%(names)s and more") % {"names": names}
        many = f"{SCHEDULES}+" if len(found) == SCHEDULES else f"{len(found)}"
        said = ngettext(
            "%(n)s schedule did not run as it should", "%(n)s schedules did not run as they should", len(found)
        )
        what = said % {"n": many}
        why = gettext("%(names)s: the last run failed, was missed, is not known, or overlapped the one before.")
        why %= {"names": names}
        yield Matter("calendar-clock", "failed-i", what, why, "schedules", "state=trouble")
    silent = schedules.silent(actor, place)
    if silent:
        said = ngettext("%(names)s is not heard any more", "%(names)s are not heard any more", len(silent))
        what = said % {"names": f" {gettext('and')} ".join(silent[:NAMED])}
        why = gettext(
            "Whether their schedules run is unknown until then. Look at the process in which the scheduler runs."
        )
        yield Matter("calendar-clock", "warn-i", what, why, "schedules", "state=silent")


def filling(queues: Iterable[Flow]) -> Iterator[Matter]:
    """Queues that fill faster than they drain, or stand still."""
    for flow in queues:
        if flow.outlook in (Outlook.FILLS, Outlook.STANDS):
            said = ngettext(
                "%(n)s task wait. %(came)s came in, %(went)s went out.",
                "%(n)s tasks wait. %(came)s came in, %(went)s went out.",
                flow.queue.depth,
            )
            why = said % {"n": number(flow.queue.depth), "came": flow.came, "went": flow.went}
            query = urlencode({"queue": flow.queue.name, "engine": flow.queue.engine, "since": flows.PACE})
            yield Matter("trending-up", "warn-i", f"{flow.queue.name} {flow.forecast}", why, "statistics", query)


def failing(names: Table) -> Iterator[Matter]:
    """Task names of which many fail, with the list of those; with their statistics where it takes several lists."""
    often = (group for group in names.groups if _fails_often(group.totals.failed, group.totals.failure_rate))
    for group in islice(sorted(often, key=lambda group: -group.totals.failed), FAILING):
        totals, about = group.totals, {"name": group.key, "engine": group.engine}
        what = gettext("%(rate)s of %(name)s failed") % {
            "rate": percent(totals.failure_rate),
            "name": group.key or gettext("unnamed tasks"),
        }
        said = ngettext(
            "%(failed)s of %(n)s task since %(time)s UTC on %(day)s.",
            "%(failed)s of %(n)s tasks since %(time)s UTC on %(day)s.",
            totals.ended,
        )
        since = names.span.since
        moment = {"time": f"{since:%H:%M}", "day": day(since, "d M")}
        why = said % {"failed": number(totals.failed), "n": number(totals.ended), **moment}
        one = len(totals.failures) == 1
        query = urlencode(about | ({"state": totals.failures[0][0]} if one else {})) + f"&{names.span.limits}"
        page, step = ("tasks", gettext("Show")) if one else ("statistics", gettext("Look"))
        yield Matter("bug", "failed-i", what, why, page, query, step)


def _fails_often(failed: int, rate: float | None) -> bool:
    return failed >= FAILURES and (rate or 0) >= SHARE

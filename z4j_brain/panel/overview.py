"""The overview of an environment: what is the matter first, then how much, how well and how fast."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from z4j_brain.agents.states import Presence
from z4j_brain.alerts import queries as alerts
from z4j_brain.fleet import findings, flows
from z4j_brain.fleet import queries as fleet
from z4j_brain.fleet.flows import Flow
from z4j_brain.fleet.models import Worker
from z4j_brain.issues import queries as issues
from z4j_brain.issues import view as issue_words
from z4j_brain.issues.states import IssueState
from z4j_brain.lib.words import percent, plural
from z4j_brain.operations import queries as operations
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.schedules import view as schedules
from z4j_brain.stats import queries as stats
from z4j_brain.stats.queries import Group, Table
from z4j_brain.stats.view import View, told

#: What each part of the page shows at most.
MATTERS, QUEUES, NAMES, OPERATIONS, WORKERS = 5, 8, 5, 4, 200
#: A name with fewer failures, or a smaller share of them, is not worth a line.
FAILURES, SHARE = 5, 0.05
#: Alerts that go on, and issues that are back, each with a line of its own.
ALERTS, RETURNED = 2, 2
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
    step: str = "Look"


@require_GET
@login_required
def shown(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    if not rbac.sees_everything(actor, place):  # its figures count what they do not see
        return redirect("tasks", project=project, environment=environment)
    view = View.of(request.GET)
    names = stats.by_name(place.pk, view.span)
    queues = _flows(actor, place)
    heard = fleet.workers(actor, place).filter(offline_at=None, heartbeat_at__gte=timezone.now() - fleet.RECENT)
    workers = list(heard.order_by("-heartbeat_at")[:WORKERS])
    matters = [
        *_alerts(actor, place),
        *_wrong(actor, place),
        *_returned(actor, place),
        *_schedules(actor, place),
        *map(_filling, filter(_fills, queues)),
        *_failing(names),
    ]
    context = told(place, view.asked) | {
        "title": "Overview",
        "environment": place,
        "view": view,
        "matters": matters[:MATTERS],
        "more_matters": len(matters) - MATTERS,
        "flows": queues[:QUEUES],
        "slowest": _most(names, lambda group: group.totals.runtime_ms.p95 or 0),
        "failing": _most(names, lambda group: group.totals.failed),
        "names": names,
        "fleet": _fleet(workers),
        "operations": list(operations.asked(actor, place).order_by("-id")[:OPERATIONS]),
    }
    return render(request, "panel/overview.html", context)


def _fills(flow: Flow) -> bool:
    return flow.fills


def _alerts(actor: Actor, place: Environment) -> Iterator[Matter]:
    """What rules have found and is not over, the newest first."""
    going_on = alerts.alerts(actor, place).filter(ended_at=None).order_by("-id")[:ALERTS]
    for alert in going_on:
        what = f"{alert.rule_name}: {alert.subject}" if alert.subject else alert.rule_name
        yield Matter("triangle-alert", "failed-i", what, alert.text, "alert-history")


def _returned(actor: Actor, place: Environment) -> Iterator[Matter]:
    """Issues that somebody resolved and that failed again."""
    open_ones = issues.issues(actor, place).filter(state=IssueState.OPEN, regressed_at__isnull=False)
    for issue in open_ones.order_by("-regressed_at")[:RETURNED]:
        what = f"{issue_words.title(issue)} in {issue.name or 'unnamed tasks'} is {issue_words.back(issue)}"
        yield Matter("bug", "failed-i", what, f"{plural(issue.count, 'task')} stand failed with it.", "issues")


def _wrong(actor: Actor, place: Environment) -> Iterator[Matter]:
    for found in islice(findings.wrong(actor, place), 2):
        where = f" On {found.where}." if found.where else ""
        yield Matter("stethoscope", "failed-i" if found.grave else "warn-i", found.what, found.fix + where, "doctor")


def _schedules(actor: Actor, place: Environment) -> Iterator[Matter]:
    """Those whose last run went wrong, as one matter, and schedulers that fell silent."""
    found = schedules.troubled(actor, place, SCHEDULES)
    if found:
        names = ", ".join(one.key for one in found[:NAMED]) + (" and more" if len(found) > NAMED else "")
        many = f"{SCHEDULES}+" if len(found) == SCHEDULES else f"{len(found)}"
        what = f"{many} schedule{'s' * (len(found) > 1)} did not run as {'they' if len(found) > 1 else 'it'} should"
        why = f"{names}: the last run failed, or there was none."
        yield Matter("calendar-clock", "failed-i", what, why, "schedules", "state=trouble")
    silent = schedules.silent(actor, place)
    if silent:
        what = f"{' and '.join(silent[:NAMED])} {'is' if len(silent) == 1 else 'are'} not heard any more"
        why = "Whether their schedules run is unknown until then. Look at the process in which the scheduler runs."
        yield Matter("calendar-clock", "warn-i", what, why, "schedules", "state=silent")


def _filling(flow: Flow) -> Matter:
    why = f"{plural(flow.queue.depth, 'task')} wait. {flow.came} came in, {flow.went} went out."
    query = urlencode({"queue": flow.queue.name, "engine": flow.queue.engine, "since": flows.PACE})
    return Matter("trending-up", "warn-i", f"{flow.queue.name} {flow.forecast}", why, "statistics", query)


def _failing(names: Table) -> Iterator[Matter]:
    for group in names.groups:
        totals = group.totals
        if totals.failed >= FAILURES and (totals.failure_rate or 0) >= SHARE:
            what = f"{percent(totals.failure_rate)} of {group.key or 'unnamed tasks'} failed"
            why = f"{totals.failed:,} of {plural(totals.ended, 'task')} since {names.span.since:%H:%M UTC on %d %b}."
            query = f"{urlencode({'name': group.key, 'engine': group.engine, 'state': totals.failures[0][0]})}"
            yield Matter("bug", "failed-i", what, why, "tasks", f"{query}&{names.span.limits}", "Show")


def _most(names: Table, order: Any) -> list[tuple[Group, str, str]]:
    """Of the names that have any of it, those with the most, each with its page of statistics and its list."""
    groups = sorted((group for group in names.groups if order(group)), key=order, reverse=True)[:NAMES]
    return [(group, urlencode({"name": group.key, "engine": group.engine}), names.span.limits) for group in groups]


def _flows(actor: Actor, place: Environment) -> list[Flow]:
    """The queues that hold most, first those that fill."""
    queues = list(fleet.queues(actor, place).order_by("-depth", "name")[: QUEUES * 2])
    return sorted(flows.flows(actor, place, queues), key=lambda flow: not flow.fills)


def _fleet(workers: Iterable[Worker]) -> dict[str, Any]:
    some = list(workers)
    online = [worker for worker in some if worker.state == Presence.ONLINE]
    busy, slots = sum(len(worker.running) for worker in online), sum(worker.size for worker in online)
    return {
        "online": len(online),
        "silent": len(some) - len(online),
        "busy": busy,
        "slots": slots,
        "engines": sorted({worker.engine for worker in online}),
        "codes": sorted({worker.code for worker in online} - {""}),
    }

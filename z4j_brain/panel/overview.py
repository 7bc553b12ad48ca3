"""The overview of an environment: what is the matter first, then how much, how well and how fast."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET

from z4j_brain.agents.states import Presence
from z4j_brain.fleet import flows
from z4j_brain.fleet import queries as fleet
from z4j_brain.fleet.flows import Flow, Outlook
from z4j_brain.fleet.models import Worker
from z4j_brain.lib.bulk import EPOCH
from z4j_brain.operations import queries as operations
from z4j_brain.panel import matters
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.schedules import view as schedules
from z4j_brain.stats import queries as stats
from z4j_brain.stats.queries import Group, Table
from z4j_brain.stats.view import View, told

#: What each part of the page shows at most.
MATTERS, QUEUES, NAMES, OPERATIONS, SCHEDULES, VERSIONS = 5, 8, 5, 5, 4, 4
#: Outlooks of queues, what takes longest to drain first; those that drain stand by how long that takes.
_SLOWEST = (
    Outlook.UNSERVED,
    Outlook.FILLS,
    Outlook.STANDS,
    Outlook.PAUSED,
    Outlook.KEEPS,
    Outlook.DRAINS,
    Outlook.STALE,
    Outlook.EMPTY,
)


@require_GET
@login_required
def shown(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    if not rbac.sees_everything(actor, place):  # its figures count what they do not see
        return redirect("tasks", project=project, environment=environment)
    view = View.of(request.GET)
    facts = told(place, view.asked)
    names = stats.by_name(place.pk, view.span)
    workers = fleet.heard(actor, place)
    queues = _flows(actor, place, workers)
    troubled = schedules.troubled(actor, place, matters.SCHEDULES)
    found = [
        *matters.alerting(actor, place),
        *matters.deployed(facts["worse"]),
        *matters.wrong(actor, place, workers),
        *matters.returned(actor, place),
        *matters.scheduled(actor, place, troubled),
        *matters.filling(queues),
        *matters.failing(names),
        *matters.asked(actor, place),
    ]
    context = facts | {
        "title": gettext("Overview"),
        "environment": place,
        "view": view,
        "matters": found[:MATTERS],
        "more_matters": found[MATTERS:],
        "matter_count": len(found),
        "flows": queues[:QUEUES],
        "backlog": fleet.totals(actor, place),
        "deepest": max(queues, key=lambda flow: flow.queue.depth, default=None),
        "slowest": _most(names, lambda group: group.totals.runtime_ms.p95 or 0),
        "failing": _most(names, lambda group: group.totals.failed),
        "names": names,
        "fleet": _fleet(workers),
        "operations": list(operations.asked(actor, place).order_by("-id")[:OPERATIONS]),
        "troubled": troubled[:SCHEDULES],
    }
    return render(request, "panel/overview.html", context)


def _most(names: Table, order: Any) -> list[tuple[Group, str, str]]:
    """Of the names that have any of it, those with the most, each with its page of statistics and its list."""
    groups = sorted((group for group in names.groups if order(group)), key=order, reverse=True)[:NAMES]
    return [(group, urlencode({"name": group.key, "engine": group.engine}), names.span.limits) for group in groups]


def _flows(actor: Actor, place: Environment, workers: Sequence[Worker]) -> list[Flow]:
    """Of the queues that hold most, first those that take longest until they are empty, if they ever are."""
    queues = list(fleet.queues(actor, place).order_by("-depth", "name")[: QUEUES * 2])
    return sorted(flows.flows(actor, place, queues, workers), key=_urgency)


def _urgency(flow: Flow) -> tuple[int, float]:
    return _SLOWEST.index(flow.outlook), -(flow.drains_s or flow.queue.depth)


def _fleet(workers: Iterable[Worker]) -> dict[str, Any]:
    since = timezone.now() - fleet.RECENT
    some = [worker for worker in workers if worker.offline_at is None and worker.heartbeat_at >= since]
    online = [worker for worker in some if worker.state == Presence.ONLINE]
    busy, slots = sum(len(worker.running) for worker in online), sum(worker.size for worker in online)
    codes = Counter(worker.code for worker in online if worker.code)
    return {
        "online": len(online),
        "silent": len(some) - len(online),
        "busy": busy,
        "slots": slots,
        "engines": sorted({worker.engine for worker in online}),
        "codes": codes.most_common(VERSIONS),
        "more_codes": max(len(codes) - VERSIONS, 0),
        "mixed": _mixed(online),
    }


def _mixed(online: Iterable[Worker]) -> str:
    """That an engine runs older code beside its newest, in a sentence; empty where each runs one version.

    The newest is the one whose first worker that runs now started last, as the page of workers has it.
    """
    engines: dict[str, dict[str, list[Worker]]] = defaultdict(lambda: defaultdict(list))
    for worker in online:
        if worker.code:
            engines[worker.engine][worker.code].append(worker)
    mixed = {engine: codes for engine, codes in engines.items() if len(codes) > 1}
    if not mixed:
        return ""
    engine, codes = max(mixed.items(), key=lambda one: sum(map(len, one[1].values())))
    newest = max(codes, key=lambda code: min(worker.started_at or EPOCH for worker in codes[code]))
    count = sum(map(len, codes.values()))
    old = count - len(codes[newest])
    said = ngettext(
        "%(old)s of the %(count)s %(engine)s workers still runs older code than %(newest)s.",
        "%(old)s of the %(count)s %(engine)s workers still run older code than %(newest)s.",
        old,
    )
    return said % {"old": old, "count": count, "engine": engine, "newest": newest}

"""The page of statistics: how much, how well and how fast, in a stretch of time of one's own choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET

from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.stats import queries
from z4j_brain.stats.filters import Asked
from z4j_brain.stats.queries import Group, Table
from z4j_brain.stats.view import View, told

#: Rows that each table shows.
SHOWN = 50
#: What is compared in each order of the tables, most first.
_COMPARED: dict[str, Callable[[Group], float]] = {
    "ended": lambda group: group.totals.ended,
    "failed": lambda group: group.totals.failed,
    "p95": lambda group: group.totals.runtime_ms.p95 or 0,
    "share": lambda group: group.share or 0,
}


@require_GET
@login_required
def shown(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    rbac.require_everything(actor, place)
    view = View.of(request.GET)
    context = told(place, view.asked) | {
        "title": gettext("Statistics"),
        "environment": place,
        "view": view,
        "as_table": "table" in request.GET,
        "tables": [_told(kind, table, view) for kind, table in _tables(place, view.asked)],
    }
    return render(request, "stats/page.html", context)


def _tables(place: Environment, asked: Asked) -> Iterator[tuple[str, Table]]:
    if asked.queue is None:
        yield "name", queries.by_name(place.pk, asked.span, engine=asked.engine, name=asked.name)
    if asked.name is None:
        yield "queue", queries.by_queue(place.pk, asked.span, engine=asked.engine, queue=asked.queue)


def _told(kind: str, table: Table, view: View) -> dict[str, Any]:
    """The rows of a table, each with the page of its own and the list of its tasks."""
    groups = sorted(table.groups, key=_COMPARED[view.order], reverse=True)
    rows = [
        (
            group,
            view.only(engine=group.engine, **{kind: group.key}),
            f"{urlencode({kind: group.key, 'engine': group.engine})}&{table.span.limits}",
        )
        for group in groups[:SHOWN]
    ]
    return {"kind": kind, "table": table, "rows": rows, "more": len(groups) - SHOWN}

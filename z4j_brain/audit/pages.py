"""The pages of the audit trail: of one environment, of the whole instance, and of one entry."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET

from z4j_brain.audit import anchors, proving, queries, streams
from z4j_brain.audit.filters import READ, View
from z4j_brain.ledger import health, proofs
from z4j_brain.ledger.models import Entry
from z4j_brain.lib import capped, keyset
from z4j_brain.rbac import access
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission

SHOWN = 50


@require_GET
@login_required
def listed(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """Who did what, when, why, on what, how many, and what became of it."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    context = _list(request, queries.entries(actor, place)) | {
        "title": gettext("Audit"),
        "environment": place,
        "sees_all": rbac.may(actor, Permission.VIEW_AUDIT, place),
        "exports": rbac.may(actor, Permission.EXPORT_AUDIT, place),
        "watches": queries.watches(actor),
    }
    return render(request, "audit/list.html", context)


@require_GET
@login_required
def shown(request: HttpRequest, project: str, environment: str, id: UUID) -> HttpResponse:
    """One entry: its words, its relatives, and how it is proven."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    return _shown(request, queries.entries(actor, place), id, place)


@require_GET
@login_required
def everywhere(request: HttpRequest) -> HttpResponse:
    """The log of the instance: how it fares, and its entries as far as the reader may see them."""
    actor = Actor.of(request)
    place = place_of(request, actor)
    if place is None:
        return render(request, "panel/nowhere.html", {"title": gettext("Nothing to see yet")})
    context = _list(request, queries.everywhere(actor)) | {
        "title": gettext("Log of the instance"),
        "crumbs": [{"page": "audit", "title": gettext("Audit")}],
        "environment": place,
        "administers": queries.administers(actor),
    }
    if queries.watches(actor):
        context |= {"watches": True, "log": health.health(), "held": anchors.held(), "flows": streams.flows()}
        context |= {"origin": proving.origin(), "fingerprint": proving.fingerprint()}
    return render(request, "audit/everywhere.html", context)


@require_GET
@login_required
def one(request: HttpRequest, id: UUID) -> HttpResponse:
    """One entry, wherever it belongs."""
    actor = Actor.of(request)
    place = place_of(request, actor)
    if place is None:
        return render(request, "panel/nowhere.html", {"title": gettext("Nothing to see yet")})
    return _shown(request, queries.everywhere(actor), id, place)


@require_GET
@login_required
def checkpoint(request: HttpRequest) -> HttpResponse:
    """The newest signed note, to be kept somewhere else."""
    last = proofs.latest()
    if last is None:
        raise Http404
    answer = HttpResponse(last.note, content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="checkpoint-{last.generation}-{last.size}.txt"'
    return answer


@require_GET
@login_required
def key(request: HttpRequest) -> HttpResponse:
    """The public key of the log, to be kept somewhere else."""
    return HttpResponse(f"{proving.public_key(proving.origin())}\n", content_type="text/plain; charset=utf-8")


def _shown(request: HttpRequest, rows: QuerySet[Entry], id: UUID, place: Environment) -> HttpResponse:
    entry = queries.detail(rows, id)
    found = proving.proof(entry.pk)
    if found and "proof" in request.GET:
        return HttpResponse(found.text, content_type="application/json")
    steps = list(proving.steps(found)) if found and "verify" in request.GET else []
    context = _entry(rows, entry) | {
        "crumbs": [{"page": "audit", "title": gettext("Audit")}],
        "environment": place,
        "proof": found,
        "steps": steps,
        "holds": all(step.holds is not False for step in steps),
        "verify_line": f"python3 z4j_audit_verify.py export.zip --key '{proving.public_key(found.checkpoint.origin)}'"
        if found
        else "",
    }
    return render(request, "audit/detail.html", context)


def place_of(request: HttpRequest, actor: Actor) -> Environment | None:
    """The environment whose navigation stands beside a page of the instance: that one came from, else the first."""
    seen = access.environments(actor)
    project, _, slug = request.GET.get("in", "").partition("/")
    return seen.filter(project__slug=project, slug=slug).first() or seen.first()


def _list(request: HttpRequest, rows: QuerySet[Entry]) -> dict[str, Any]:
    view = View.of({key: str(request.GET[key]) for key in request.GET})
    wanted = view.narrowed(rows)
    page = keyset.page(queries.listed(wanted), request.GET.get("cursor"), SHOWN)
    return {
        "view": view,
        "page": page,
        "touches": queries.told(page.results),
        "total": capped.count(wanted),
        "any": bool(page.results) or not view.is_narrowed or rows.exists(),
        "read": READ,
    }


def _entry(rows: QuerySet[Entry], entry: Entry) -> dict[str, Any]:
    touch, body = queries.Touch.from_entry(entry), queries.body_of(entry)
    private = dict(touch.private or {})
    return {
        "title": touch.said,
        "touch": touch,
        "body": body,
        "body_text": bytes(entry.body).decode(),
        "leaf": bytes(entry.leaf_hash).hex(),
        "auth": {name: value for name, value in body.get("auth", {}).items() if value},
        "params": _words(touch.params),
        "diff": private.pop("diff", {}),
        "also": _words({name: value for name, value in private.items() if name not in _SHOWN_APART}),
        "relatives": queries.relatives(rows, touch, body),
        "erased": _erasure(rows, entry) if touch.is_erased else None,
    }


def _erasure(rows: QuerySet[Entry], entry: Entry) -> queries.Touch | None:
    """The entry that says why the private part is gone, where the reader may see it."""
    by = proving.erased_by(entry.pk)
    found = queries.listed(rows).filter(pk=by).first() if by else None
    return queries.Touch.from_entry(found) if found else None


#: Parts of what may be erased that have a place of their own on the page.
_SHOWN_APART = ("display_name", "reason", "ip", "params")


def _words(values: Any) -> list[tuple[str, str]]:
    """What an entry says by name, as text."""
    return [(name.replace("_", " "), _text(value)) for name, value in dict(values).items()]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str | int) for one in value):
        return ", ".join(map(str, value))
    return json.dumps(value, ensure_ascii=False)

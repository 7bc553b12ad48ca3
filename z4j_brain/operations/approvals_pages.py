"""The inbox of approvals: what waits for a second person, what became of it, and whoever went ahead alone."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from z4j_brain.lib import keyset, why
from z4j_brain.lib.problem import Problem
from z4j_brain.operations import inbox, nouns
from z4j_brain.rbac import approvals, consent, policies
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.states import ApprovalState, Permission

SHOWN = 50
#: The tabs of the page: a name in the address, its title, and the states that it shows.
TABS = (
    ("waiting", gettext_lazy("Waiting"), (ApprovalState.PENDING,)),
    ("decided", gettext_lazy("Decided"), tuple(state for state in ApprovalState if state != ApprovalState.PENDING)),
    ("broken", gettext_lazy("Break-glass"), (ApprovalState.BROKEN,)),
)
STEERING = {"approve": consent.approve, "reject": consent.reject}


@require_GET
@login_required
def listed(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    asked = request.GET.get("show", "waiting")
    states = {name: states for name, _, states in TABS}.get(asked, (ApprovalState.PENDING,))
    rows = inbox.approvals(actor, place).filter(state__in=states)
    policy, page = policies.of(place), keyset.page(rows, request.GET.get("cursor"), SHOWN)
    context = {
        "title": gettext("Approvals"),
        "environment": place,
        "tabs": [(name, title) for name, title, _ in TABS],
        "show": asked,
        "page": page,
        "rows": [(one, inbox.what(one)) for one in page.results],
        "mine": {one.pk for one in inbox.waiting(actor, place)},
        "policy": policy,
        "standing": policies.standing(place, policy),
    }
    return render(request, "operations/approvals.html", context)


@require_GET
@login_required
def shown(request: HttpRequest, project: str, environment: str, id: UUID) -> HttpResponse:
    """What is asked for; an operation shows that itself."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    approval = inbox.detail(actor, place, id)
    if approval.target_type == approvals.OPERATION:
        return redirect("operation", project=project, environment=environment, id=UUID(approval.target_id))
    context = {
        "title": gettext("Request %(id)s") % {"id": str(approval.pk)[-8:]},
        "crumbs": [{"page": "approvals", "title": gettext("Approvals")}],
        "environment": place,
        "approval": approval,
        "words": nouns.word(approval.action),
        "kind": nouns.noun(approval.target_type),
        "may_answer": rbac.may(actor, Permission.APPROVE, place) and approvals.refusal(approval, actor) is None,
        "is_own": bool(approvals.people(actor) & set(approval.people)),
    }
    return render(request, "operations/approval.html", context)


@require_POST
@login_required
def answer(request: HttpRequest, project: str, environment: str, id: UUID, verb: str) -> HttpResponse:
    actor = Actor.of(request)
    approval = inbox.detail(actor, rbac.environment(actor, project, environment), id)
    if verb not in STEERING:
        raise Http404
    try:
        STEERING[verb](approval, actor=actor, reason=why.of(request.POST))
    except Problem as problem:  # somebody else was quicker, or its time is up: the page says so
        messages.warning(request, " ".join(fault["detail"] for fault in problem.errors) or problem.detail)
    return redirect("approval", project=project, environment=environment, id=id)

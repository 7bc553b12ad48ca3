"""The page of secrets: what an environment insists on, what was hidden and by what, and what leaves of a value."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from z4j_core.policy import Rule

from z4j_brain.agents import actions, hidden, proof, redaction
from z4j_brain.agents.states import RedactionMode, RuleKind
from z4j_brain.lib import why
from z4j_brain.rbac import queries
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission

#: Agents that the page tells of, and sample texts that a rule is tried on.
SHOWN = 100
SAMPLES = 20
#: How marks are told of that no rule of a project left.
RULES = {
    "names": gettext_lazy("What is called like a secret"),
    "redacted": gettext_lazy("What stands beside a secret's name, or in an address"),
    "card": gettext_lazy("Card numbers"),
    "email": gettext_lazy("E-mail addresses"),
    "iban": gettext_lazy("Bank accounts"),
    "jwt": gettext_lazy("Signed tokens"),
    "private key": gettext_lazy("Private keys"),
    "secret": gettext_lazy("What looks random"),
    "ssn": gettext_lazy("Social security numbers"),
    "token": gettext_lazy("Tokens of services"),
}
#: The modes behind their values.
MODES = {
    RedactionMode.REDACT: gettext_lazy("values without their secrets"),
    RedactionMode.SHAPES: gettext_lazy("only types and sizes"),
    RedactionMode.SEAL: gettext_lazy("only types and sizes, originals sealed"),
}


@require_http_methods(["GET", "POST"])
@login_required
def shown(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """POST sets what the environment insists on."""
    actor = Actor.of(request)
    place = queries.environment(actor, project, environment)
    if request.method == "GET":
        return _page(request, actor, place)
    queries.require(actor, Permission.MANAGE_PROJECT, place)
    try:
        actions.set_redaction(place, _asked(request.POST), actor=actor, reason=why.of(request.POST))
    except ValidationError as error:
        return _page(request, actor, place, given=request.POST, errors=error.message_dict)
    messages.success(request, gettext("Saved. Agents that wait are told at once."), extra_tags="good")
    return redirect("secrets", project=project, environment=environment)


@never_cache
@sensitive_post_parameters("value")
@require_POST
@login_required
def attempt(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """What would leave of a value: it is not kept, and the page does not show it again."""
    actor = Actor.of(request)
    place = queries.environment(actor, project, environment)
    value, name, task = (request.POST.get(part, "") for part in ("value", "name", "task"))
    if not value or len(value) > proof.LONGEST:
        fault = gettext("Paste something, %(n)s characters at most.") % {"n": f"{proof.LONGEST:,}"}
        return _page(request, actor, place, errors={"value": [fault]})
    tried = proof.tried(redaction.document(place), value, name.strip()[:64], task.strip()[:512])
    return _page(request, actor, place, tried=tried)


@never_cache
@sensitive_post_parameters("samples")
@require_http_methods(["GET", "POST"])
@login_required
def rule(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """A rule of the project: a new one, or `id` of the address. POST tries it on samples, or saves it."""
    actor = Actor.of(request)
    place = queries.environment(actor, project, environment)
    queries.require(actor, Permission.MANAGE_PROJECT, place.project)
    known = redaction.rules(place).filter(slug=request.GET.get("id", "")).first()
    context: dict[str, Any] = {"title": gettext("Rule"), "known": known}
    context |= {"crumbs": [{"page": "secrets", "title": gettext("Secrets")}]}
    context |= {"environment": place, "kinds": RuleKind.choices, "given": known and {**redaction.told(known)}}
    if request.method == "POST":
        given = _rule(request.POST, known.slug if known else "")
        context |= {"given": given, "samples": request.POST.get("samples", ""), "reason": why.of(request.POST)}
        try:
            redaction.check_rule(given)
            if request.POST.get("do") == "try":
                lines = [line for line in context["samples"][: proof.LONGEST].splitlines() if line.strip()][:SAMPLES]
                context |= {"tried": proof.hides(given, lines)}
            else:
                if not known and redaction.rules(place).filter(slug=given["id"]).exists():
                    taken = gettext("There is a rule with this name. Change that one, or choose another.")
                    raise ValidationError({"id": taken})
                actions.set_rule(place.project, given, actor=actor, reason=why.of(request.POST))
                done = gettext("The rule %(name)s holds.") % {"name": given["id"]}
                messages.success(request, done, extra_tags="good")
                return redirect("secrets", project=project, environment=environment)
        except ValidationError as error:
            context |= {"errors": error.message_dict}
    return render(request, "agents/secret_rule.html", context, status=400 if "errors" in context else 200)


@require_POST
@login_required
def remove_rule(request: HttpRequest, project: str, environment: str, id: str) -> HttpResponse:
    actor = Actor.of(request)
    place = queries.environment(actor, project, environment)
    found = redaction.rules(place).filter(slug=id).first()
    if found is None:
        raise Http404
    try:
        actions.remove_rule(found, actor=actor, reason=why.of(request.POST))
    except ValidationError as error:
        messages.warning(request, " ".join(error.messages))
    else:
        messages.success(request, gettext("The rule %(name)s is gone.") % {"name": id}, extra_tags="good")
    return redirect("secrets", project=project, environment=environment)


def _page(
    request: HttpRequest,
    actor: Actor,
    place: Environment,
    *,
    given: QueryDict | None = None,
    errors: dict[str, list[str]] | None = None,
    tried: list[proof.Told] | None = None,
) -> HttpResponse:
    document = redaction.document(place)
    counts = hidden.counts(actor, place)
    asked = {name: document[name] for name in actions.REDACTION} | (_asked(given) if given is not None else {})  # type: ignore[literal-required]
    context = {
        "title": gettext("Secrets"),
        "environment": place,
        "policy": document,
        "asked": asked,
        "modes": [(mode.value, label) for mode, label in MODES.items()],
        "holds": RedactionMode(document["mode"]),
        "default": RedactionMode(document["default"]),
        "rules": redaction.rules(place),
        "standings": hidden.standings(hidden.answering(actor, place)[:SHOWN], document["version"]),
        "built_in": hidden.BUILT_IN,
        "hidden": [(RULES.get(row["rule"]) or row["rule"], row) for row in counts.rules],
        "late": counts.late,
        "tried": [(RedactionMode(one.mode), one, _named(one)) for one in tried or ()],
        "given": given or {},
        "errors": errors or {},
        "manages": queries.may(actor, Permission.MANAGE_PROJECT, place),
        "rules_too": queries.may(actor, Permission.MANAGE_PROJECT, place.project),
    }
    return render(request, "agents/secrets.html", context, status=400 if errors else 200)


def _named(told: proof.Told) -> list[tuple[str, int]]:
    return [(str(RULES.get(rule) or rule), count) for rule, count in told.hidden]


def _asked(given: QueryDict) -> dict[str, Any]:
    """The policy as it was filled in: a line without a mode, or without a pattern, is left out."""
    lines = zip(given.getlist("glob"), given.getlist("at-least"), strict=False)
    tasks = [[glob.strip(), mode] for glob, mode in lines if glob.strip() and mode]
    return {"mode": given.get("mode", ""), "tasks": tasks, "seal_key": given.get("seal_key", "").strip()}


def _rule(given: QueryDict, slug: str) -> Rule:
    match = given.get("match", "").strip()
    tasks = given.get("tasks", "").strip()
    return Rule(id=slug or given.get("id", "").strip(), kind=given.get("kind", ""), match=match, tasks=tasks)

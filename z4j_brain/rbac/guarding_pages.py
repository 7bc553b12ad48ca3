"""The page on which an environment says what takes a second person, and when it is left alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from z4j_brain.lib import why
from z4j_brain.lib.digits import whole
from z4j_brain.lib.problem import Problem
from z4j_brain.rbac import freezes, guarding, policies, queries
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

#: Actions on so many targets, and what the field says.
_NUMBERS: dict[str, tuple[StrOrPromise, StrOrPromise]] = {
    policies.ANY: (
        gettext_lazy("Anything at all"),
        gettext_lazy("Targets that one request may have without a second person."),
    ),
    "queue.purge": (gettext_lazy("Purge queues"), gettext_lazy("0: each purge takes a second person.")),
    "task.reveal": (gettext_lazy("Reveal sealed originals"), gettext_lazy("0: each reveal takes a second person.")),
    "worker.restart": (
        gettext_lazy("Restart workers"),
        gettext_lazy("1: one at a time goes without, the whole crew does not."),
    ),
    "worker.restart_pool": (gettext_lazy("Restart pools"), ""),
    "worker.stop": (gettext_lazy("Stop workers"), ""),
    "schedule.delete": (gettext_lazy("Delete schedules"), ""),
}
_SWITCHES: dict[str, tuple[StrOrPromise, StrOrPromise]] = {
    "member.set_role": (gettext_lazy("Give the roles Admin and Owner"), gettext_lazy("Here and in the whole project.")),
    "audit.erase": (
        gettext_lazy("Erase personal data from the audit log"),
        gettext_lazy("Of people who ask for it: the command on the brain's own machine asks nobody."),
    ),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """A line of the form. `value`: a number, or empty where the action never takes a second person."""

    name: str
    label: StrOrPromise
    help: StrOrPromise
    value: str
    error: str = ""

    @property
    def key(self) -> str:
        return f"rule-{self.name.replace('*', 'any').replace('.', '-')}"


@require_http_methods(["GET", "POST"])
@login_required
def shown(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    actor = Actor.of(request)
    place = queries.environment(actor, project, environment)
    errors: dict[str, list[str]] = {}
    given = request.POST if request.method == "POST" else None
    if given is not None:
        queries.require(actor, Permission.MANAGE_PROJECT, place)
        asked, errors = _read(place, given)
        if not errors:
            try:
                guarding.set_policy(place, asked, actor=actor, reason=why.of(given))
            except ValidationError as error:
                errors = error.message_dict
            except Problem as problem:
                messages.warning(request, problem.detail)
                return redirect(problem.headers.get("Location") or request.path)
            else:
                messages.success(request, gettext("Saved."), extra_tags="good")
                return redirect("guards", project=project, environment=environment)
    return _page(request, actor, place, given, errors)


@require_POST
@login_required
def freeze(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    actor = Actor.of(request)
    place = queries.environment(actor, project, environment, Permission.MANAGE_PROJECT)
    given = request.POST
    begin, end = _moment(given.get("from", "")), _moment(given.get("to", ""))
    named = [word.strip() for word in given.get("actions", "").split(",") if word.strip()]
    try:
        if end is None:
            raise ValidationError({"ends_at": gettext("Say when it ends.")})
        guarding.set_freeze(
            place,
            begin or timezone.now(),
            end,
            named,
            single=bool(given.get("single")),
            actor=actor,
            reason=why.of(given),
        )
    except ValidationError as error:
        return _page(request, actor, place, None, error.message_dict, given)
    messages.success(request, gettext("The freeze is set."), extra_tags="good")
    return redirect("guards", project=project, environment=environment)


@require_POST
@login_required
def end(request: HttpRequest, project: str, environment: str, id: UUID) -> HttpResponse:
    actor = Actor.of(request)
    place = queries.environment(actor, project, environment)
    found = freezes.all_of(actor, place).filter(pk=id).first()
    if found is None:
        raise Http404
    guarding.end_freeze(found, actor=actor, reason=why.of(request.POST))
    return redirect("guards", project=project, environment=environment)


def _page(
    request: HttpRequest,
    actor: Actor,
    place: Environment,
    given: QueryDict | None,
    errors: dict[str, list[str]],
    frozen: QueryDict | None = None,
) -> HttpResponse:
    policy = policies.of(place)
    context = {
        "title": gettext("Approvals and freezes"),
        "crumbs": [{"page": "settings", "title": gettext("Settings")}],
        "environment": place,
        "policy": policy,
        "standing": policies.standing(place, policy),
        "numbers": [_rule(name, words, policy, given, errors) for name, words in _NUMBERS.items()],
        "switches": [_rule(name, words, policy, given, errors) for name, words in _SWITCHES.items()],
        "minutes": given.get("minutes", "") if given is not None else policy.minutes,
        "approvers": given.get("approvers", "") if given is not None else policy.approvers,
        "requests": bool(given.get("requests")) if given is not None else policy.requests,
        "reason": given.get("reason", "") if given is not None else "",
        "freezes": freezes.set_in(place),
        "past": freezes.past(place),
        "frozen": frozen or {},
        "example": "queue.purge, worker.restart",
        "errors": errors,
        "zone": timezone.get_current_timezone_name(),
        "manages": queries.may(actor, Permission.MANAGE_PROJECT, place),
    }
    return render(request, "rbac/guards.html", context, status=400 if errors else 200)


def _rule(
    name: str,
    words: tuple[StrOrPromise, StrOrPromise],
    policy: policies.Policy,
    given: QueryDict | None,
    errors: dict[str, list[str]],
) -> Rule:
    kept = policy.rules.get(name)
    rule = Rule(name, *words, "" if kept is None else str(kept))
    if given is None:
        return rule
    return Rule(name, *words, given.get(rule.key, ""), " ".join(errors.get(rule.key, [])))


def _read(place: Environment, given: QueryDict) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The policy as it was filled in. Rules that the form has no line for stay as they are."""
    policy, errors = policies.of(place), {}
    lines = {*_NUMBERS, *_SWITCHES, policies.ITSELF}
    rules = {name: number for name, number in policy.rules.items() if name not in lines and guarding.may_ask(name)}
    for name, words in _NUMBERS.items():
        key = Rule(name, *words, "").key
        text = given.get(key, "").strip()
        if (number := whole(text, 6)) is not None:
            rules[name] = number
        elif text:
            errors[key] = [gettext("A whole number, or nothing.")]
    rules |= {name: 0 for name, words in _SWITCHES.items() if given.get(Rule(name, *words, "").key)}
    asked: dict[str, Any] = {"rules": rules, "requests": bool(given.get("requests"))}
    for name in ("minutes", "approvers"):
        if (number := whole(given.get(name, "").strip(), 4)) is not None:
            asked[name] = number
        else:
            errors[name] = [gettext("A whole number.")]
    return asked, errors


def _moment(text: str) -> datetime | None:
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return timezone.make_aware(found) if found and timezone.is_naive(found) else found

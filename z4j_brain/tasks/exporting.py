"""The answer that is an export: what both doors do about it."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest, StreamingHttpResponse

from z4j_brain.rbac import onshow
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission
from z4j_brain.tasks import actions, queries
from z4j_brain.tasks.export import TYPES, Export, response
from z4j_brain.tasks.narrowing import Narrowing

__all__ = ["TYPES", "answer"]


def answer(
    request: HttpRequest,
    environment: Environment,
    wanted: Narrowing,
    told: Mapping[str, str],
    form: str,
    held: queries.Held,
    actor: Actor,
    *,
    payload: bool,
    reason: str,
) -> StreamingHttpResponse:
    """Record that it begins, then stream it. `told`: the filters in words, for the ledger. `payload`: with arguments,
    results and messages, which are left out unless somebody who may see them asks for them.
    """
    if payload and Permission.VIEW_PAYLOAD not in held:
        rbac.require(actor, Permission.VIEW_PAYLOAD, environment)
    payload = payload and not (actor.token is None and onshow.is_presenting(request.session))
    request_id = actions.export(environment, told, form, payload=payload, actor=actor, reason=reason)
    steps = queries.everything(environment, wanted, held)
    return response(request, Export(environment, steps, form, payload, actor, request_id), environment, form)

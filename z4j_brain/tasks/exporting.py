"""The answer that is an export: what both doors do about it."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest, StreamingHttpResponse

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
) -> StreamingHttpResponse:
    """Record that it begins, then stream it. `told`: the filters in words, for the ledger."""
    payload = Permission.VIEW_PAYLOAD in held
    request_id = actions.export(environment, told, form, payload=payload, actor=actor)
    steps = queries.everything(environment, wanted, held)
    return response(request, Export(environment, steps, form, payload, actor, request_id), environment, form)

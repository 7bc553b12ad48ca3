"""The agents' door, the cool half: results, the keys that agents check commands with, and how far a hello has come."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from functools import wraps

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from z4j_core import wire

from z4j_brain.agents import queries
from z4j_brain.gateway import bearer, heads, parser
from z4j_brain.lib import keys
from z4j_brain.lib.problem import Problem, store_away
from z4j_brain.operations import outbox
from z4j_brain.tasks import queries as tasks

View = Callable[[HttpRequest], HttpResponse]


def _answering(method: str) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @csrf_exempt
        @wraps(view)
        def answer(request: HttpRequest) -> HttpResponse:
            try:
                if request.method != method:
                    raise Problem(405, "method", "Method not allowed", f"Send {method}.")
                return view(request)
            except Problem as problem:
                return problem.response()
            except (OperationalError, InterfaceError) as error:
                return store_away(error).response()

        return answer

    return decorate


@_answering("POST")
def results(request: HttpRequest) -> HttpResponse:
    """What became of a command. `applied` is false when its lease had passed on: the answer is kept, not applied."""
    key = bearer.authenticate(request.headers.get("Authorization", ""))
    if int(request.META.get("CONTENT_LENGTH") or 0) > wire.MAX_BODY:
        raise Problem(413, "body_too_large", "Body too large", f"A body here has {wire.MAX_BODY} bytes at most.")
    raw = parser.unzip(request.body, request.headers.get("Content-Encoding", "").strip().lower())
    answered = parser.parse_results(raw)
    agent = queries.of_boot(key.environment_id, parser.boot_of(answered))
    if agent is None:
        raise Problem(404, "agent_unknown", "Unknown agent", "No agent of this boot has reported here.")
    applied = outbox.settle(agent, answered)
    return JsonResponse({"applied": applied, "time": time.time_ns() // 1000})


@_answering("GET")
def agent_keys(request: HttpRequest) -> HttpResponse:
    """The action and log keys, signed by the root that the DSN pins."""
    ring = keys.ring()
    return JsonResponse({"root": base64.b64encode(ring.root).decode(), "statement": ring.statement()})


@_answering("GET")
def log(request: HttpRequest) -> HttpResponse:
    """The proof that the audit log with `new` entries begins with the one with `old`, for an agent that knows both."""
    bearer.authenticate(request.headers.get("Authorization", ""))
    known = [heads.remembered(request.GET.get("origin", ""), request.GET.get(name, "")) for name in ("old", "new")]
    old, new = known
    found = heads.between(old.origin, old.size, new.size) if old and new else None
    if found is None:
        raise Problem(409, "no_proof", "No proof", "The audit log of this brain is not known to have had these sizes.")
    return JsonResponse(found)


@_answering("GET")
def hello(request: HttpRequest) -> HttpResponse:
    """How far a task of ours has come, for whoever sent it, and where their key belongs. Of other tasks nothing."""
    key = bearer.authenticate(request.headers.get("Authorization", ""))
    engine, task_id = request.GET.get("engine", ""), request.GET.get("task_id", "")
    is_id = engine.isprintable() and task_id.isprintable() and len(task_id) <= wire.MAX_ID
    found = tasks.hello(key.environment_id, engine, task_id) if is_id else None
    place = key.environment
    told = {"place": f"{place.project.slug}/{place.slug}"}
    if found is None:
        return JsonResponse(told | {"state": None, "worker": "", "kinds": []})
    return JsonResponse(told | {"state": found.state, "worker": found.worker, "kinds": tasks.kinds(found)})

"""Lists that many have open are rendered once for all who see the same of them.

A page that is open asks anew when it is told that something has changed, and says when that was (`X-Live`, seconds
since 1970). Whatever was rendered since then has it in it, whoever asked for it: an answer may be handed to everybody
with the same access, as long as nothing in it is somebody's own.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import wraps
from threading import Lock

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import get_language

from z4j_brain.rbac import access, onshow, queries
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment

#: What a page says that asks for what is live in it.
LIVE = "X-Live"
#: How far the clocks of processes may be apart. Pages ask later than that after they were told.
APART = 0.2
#: Answers that are kept.
MOST = 100

_SHARED = "_z4j_shared"

View = Callable[..., HttpResponse]


@dataclass(slots=True)
class _Answer:
    """`began`: when its rendering did; empty at first."""

    began: float = 0.0
    content: bytes = b""
    lock: Lock = field(default_factory=Lock)


_answers: OrderedDict[Hashable, _Answer] = OrderedDict()
_shelf = Lock()


def is_shared(request: HttpRequest) -> bool:
    """Is what is being rendered for others, too? Then nothing of the reader may stand in it."""
    return bool(request.__dict__.get(_SHARED, False))


def shared(view: View) -> View:
    """For a view of one list in an environment, whose live parts depend on what its reader may do there, and on nothing
    else of them. Who sees only some of the queues or names is answered by themselves: for them, parts of lists are
    about what they have asked for.
    """

    @wraps(view)
    def answer(request: HttpRequest, project: str, environment: str) -> HttpResponse:
        since = _since(request)
        if since is None or not request.user.is_authenticated:
            return view(request, project=project, environment=environment)
        actor = Actor.of(request)
        place = queries.environment(actor, project, environment)
        held = access.permissions(actor, place)
        if not held.sees_everything:
            return view(request, project=project, environment=environment)
        who = (tuple(sorted(held.reaches.items())), request.user.is_staff or request.user.is_superuser)
        key = (request.get_full_path(), who, onshow.is_presenting(request.session), get_language())
        return _once(key, since, request, place, lambda: view(request, project=project, environment=environment))

    return answer


def _since(request: HttpRequest) -> float | None:
    """When the reader was told of a change; None for whoever was not, or says what cannot be."""
    try:
        told = float(request.headers.get(LIVE, ""))
    except ValueError:
        return None
    return told if 1 < told <= time.time() else None


def _once(
    key: Hashable, since: float, request: HttpRequest, place: Environment, render: Callable[[], HttpResponse]
) -> HttpResponse:
    kept = _kept(key)
    with kept.lock:
        if kept.began < since + APART:
            began = time.time()
            request.__dict__[_SHARED] = True
            response = render()
            if response.status_code != 200 or request.META.get("CSRF_COOKIE_NEEDS_UPDATE"):
                return response
            kept.began, kept.content = began, response.content
    own = render_to_string("components/counts.html", {"environment": place}, request)
    return HttpResponse([kept.content, own])


def _kept(key: Hashable) -> _Answer:
    with _shelf:
        kept = _answers.setdefault(key, _Answer())
        _answers.move_to_end(key)
        while len(_answers) > MOST:
            _answers.popitem(last=False)
    return kept

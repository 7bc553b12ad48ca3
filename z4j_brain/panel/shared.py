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

from z4j_brain.audit import queries as audit
from z4j_brain.ledger import health
from z4j_brain.operations import inbox
from z4j_brain.rbac import access, onshow, queries
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment

#: What a page says that asks for what is live in it.
LIVE = "X-Live"
#: How far the clocks of processes may be apart. Pages ask later than that after they were told.
APART = 0.2
#: Answers that are kept, and for how many seconds: nobody asks because of what was told longer ago.
MOST = 100
FRESH = 60.0

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


def forget() -> None:
    """All that is kept."""
    with _shelf:
        _answers.clear()


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
        key = (place.pk, request.get_full_path(), _who(request, actor, place, held), get_language())
        return _once(key, since, request, place, lambda: view(request, project=project, environment=environment))

    return answer


def _who(request: HttpRequest, actor: Actor, place: Environment, held: access.Held) -> Hashable:
    """All of a reader that what they are shown depends on: what they may do there, what waits for their own yes, and
    whether an alarm of the log is for them.
    """
    wishes = tuple(wish.pk for wish in inbox.waiting(actor, place))
    watches = not health.may_dispatch() and audit.watches(actor)
    administers = request.user.is_staff or request.user.is_superuser
    return tuple(sorted(held.reaches.items())), wishes, watches, administers, onshow.is_presenting(request.session)


def _since(request: HttpRequest) -> float | None:
    """When the reader was told of a change; None for whoever was not just now, or says what cannot be."""
    try:
        told = float(request.headers.get(LIVE, ""))
    except ValueError:
        return None
    return told if 0 <= time.time() - told < FRESH else None


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
        while len(_answers) > MOST or _is_stale(next(iter(_answers.values()))):
            _answers.popitem(last=False)
    return kept


def _is_stale(answer: _Answer) -> bool:
    return bool(answer.content) and answer.began < time.time() - FRESH

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
from typing import Any

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
#: Answers, and readers, that are kept; and for how many seconds: nobody asks because of what was told longer ago.
MOST = 100
FRESH = 60.0

_SHARED = "_z4j_shared"

#: For how many seconds what somebody may do in a place is believed, for all their open pages.
MOMENT = 1.0

View = Callable[..., HttpResponse]
#: What a reader has chosen about a list, looked up; and what of it the list at this address depends on.
Chosen = Callable[[Actor, Environment], Any]
Taste = Callable[[HttpRequest, Any], Hashable]


@dataclass(slots=True)
class _Answer:
    """`began`: when its rendering did; empty at first."""

    began: float = 0.0
    content: bytes = b""
    lock: Lock = field(default_factory=Lock)


@dataclass(slots=True)
class _Reader:
    """What all open pages of one person about one place have in common, and is looked up once for them."""

    at: float
    place: Environment
    #: All that what they are shown depends on; None for who is answered by themselves.
    who: Hashable
    #: What of the navigation is theirs alone, rendered.
    counts: bytes = b""
    #: What they have chosen, as views look it up.
    chosen: dict[View, Any] = field(default_factory=dict)


_answers: OrderedDict[Hashable, _Answer] = OrderedDict()
_readers: OrderedDict[Hashable, _Reader] = OrderedDict()
_shelf = Lock()


def forget() -> None:
    """All that is kept."""
    with _shelf:
        _answers.clear()
        _readers.clear()


def is_shared(request: HttpRequest) -> bool:
    """Is what is being rendered for others, too? Then nothing of the reader may stand in it."""
    return bool(request.__dict__.get(_SHARED, False))


def shared(view: View, chosen: Chosen = lambda actor, place: None, taste: Taste = lambda request, found: found) -> View:
    """For a view of one list in an environment, whose live parts depend on what its reader may do there, on what they
    have `chosen`, and on nothing else of them. Who sees only some of the queues or names is answered by themselves: for
    them, parts of lists are about what they have asked for.
    """

    @wraps(view)
    def answer(request: HttpRequest, project: str, environment: str) -> HttpResponse:
        since = _since(request)
        if since is None or not request.user.is_authenticated:
            return view(request, project=project, environment=environment)
        reader = _reader(request, project, environment, since)
        if reader.who is None:
            return view(request, project=project, environment=environment)
        if view not in reader.chosen:
            reader.chosen[view] = chosen(Actor.of(request), reader.place)
        presents, own = onshow.is_presenting(request.session), taste(request, reader.chosen[view])
        key = (request.get_full_path(), reader.who, presents, get_language(), own)
        return _once(key, since, request, reader, lambda: view(request, project=project, environment=environment))

    return answer


def _reader(request: HttpRequest, project: str, environment: str, since: float) -> _Reader:
    """Who asks, as they were since what they were told of, a moment ago at most: all their pages ask at once. Whether
    their session and account still stand was looked up for this very request.
    """
    session = (request.session.session_key, get_language(), project, environment)
    with _shelf:
        known = _readers.get(session)
    if known is not None and known.at >= since + APART and time.time() - known.at < MOMENT:
        return known
    at, actor = time.time(), Actor.of(request)
    place = queries.environment(actor, project, environment)
    held = access.permissions(actor, place)
    reader = _Reader(at, place, _who(request, actor, place, held) if held.sees_everything else None)
    with _shelf:
        _readers[session] = reader
        _readers.move_to_end(session)
        while len(_readers) > MOST:
            _readers.popitem(last=False)
    return reader


def _who(request: HttpRequest, actor: Actor, place: Environment, held: access.Held) -> Hashable:
    """All of a reader that what they are shown depends on: what they may do there, what waits for their own yes, and
    whether an alarm of the log is for them.
    """
    wishes = tuple(wish.pk for wish in inbox.waiting(actor, place))
    watches = not health.may_dispatch() and audit.watches(actor)
    administers = request.user.is_staff or request.user.is_superuser
    return place.pk, tuple(sorted(held.reaches.items())), wishes, watches, administers


def _since(request: HttpRequest) -> float | None:
    """When the reader was told of a change; None for whoever was not just now, or says what cannot be."""
    try:
        told = float(request.headers.get(LIVE, ""))
    except ValueError:
        return None
    return told if 0 <= time.time() - told < FRESH else None


def _once(
    key: Hashable, since: float, request: HttpRequest, reader: _Reader, render: Callable[[], HttpResponse]
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
    if not reader.counts:
        counts = render_to_string("components/counts.html", {"environment": reader.place}, request)
        reader.counts = counts.encode()
    return HttpResponse([kept.content, reader.counts])


def _kept(key: Hashable) -> _Answer:
    with _shelf:
        kept = _answers.setdefault(key, _Answer())
        _answers.move_to_end(key)
        while len(_answers) > MOST or _is_stale(next(iter(_answers.values()))):
            _answers.popitem(last=False)
    return kept


def _is_stale(answer: _Answer) -> bool:
    return bool(answer.content) and answer.began < time.time() - FRESH

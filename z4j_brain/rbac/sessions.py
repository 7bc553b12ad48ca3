"""Sessions: how long they last, and the ends that they come to. Django's own, in the database, with two limits.

A session ends when nothing was clicked for `Z4J_SESSION_IDLE`, and `Z4J_SESSION_LIFE` after the sign-in at the latest.
Both stand in the row, so that pages, API and websocket find a session that is over gone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone

from z4j_brain.ledger import entries
from z4j_brain.ledger.states import Outcome, Phase
from z4j_brain.rbac import onshow
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import User

#: When whoever is signed in did so, and when they were last seen, in seconds since 1970.
BORN, SEEN = "born", "seen"
#: Being seen is written down once a minute.
GRAIN = 60


class SessionStore(db.SessionStore):
    """The session engine: Django asks it here when a session is to end.

    Django writes all of a session back, as old as it was when it was read. What is on show is taken from the row
    instead, with what this request did about it: none that began before puts back what somebody has hidden since.
    """

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        #: What was on show when this request read the row.
        self._read: dict[str, Any] = {}

    def load(self) -> dict[str, Any]:
        found: dict[str, Any] = super().load()
        self._read = onshow.part(found)
        return found

    def save(self, must_create: bool = False) -> None:
        if must_create or self.session_key is None:
            return super().save(must_create)
        with transaction.atomic():
            row = Session.objects.select_for_update().filter(session_key=self.session_key).first()
            if row is not None:
                now = onshow.merged(self._read, onshow.part(dict(self.items())), onshow.part(row.get_decoded()))
                self.update(now)
                self._read = now
            super().save()

    def get_session_cookie_age(self) -> int:
        left = self.get(BORN, time.time()) + settings.Z4J_SESSION_LIFE - time.time()
        return max(0, min(settings.Z4J_SESSION_IDLE, int(left)))


def begin(session: SessionBase) -> None:
    """The person behind it has just signed in."""
    session[BORN] = session[SEEN] = int(time.time())


def touch(session: SessionBase) -> bool:
    """The person behind it did something. Is that worth writing down?"""
    if abs(time.time() - session.get(SEEN, 0)) < GRAIN:
        return False
    session[SEEN] = int(time.time())
    UserSession.objects.filter(session_key=session.session_key).update(last_seen_at=timezone.now())
    return True


def listed(user: User) -> list[UserSession]:
    """The sessions of a person that are still in force, last used first."""
    alive = Session.objects.filter(expire_date__gt=timezone.now()).values("session_key")
    rows = UserSession.objects.filter(user=user, session_key__in=alive)
    return list(rows.order_by("-last_seen_at")[:100])


def end(user: User, why: str, actor: Actor, *, keep: str | None = "", only: Iterable[int] | None = None) -> int:
    """End the sessions of a person: those in `only` or else all, but never the one with the key `keep`.

    Where one ended, an entry says so. The number that ended.
    """
    rows = UserSession.objects.filter(user=user).exclude(session_key=keep or "")
    if only is not None:
        rows = rows.filter(pk__in=list(only))
    with transaction.atomic():
        keys = list(rows.values_list("session_key", flat=True))
        if not keys:
            return 0
        Session.objects.filter(session_key__in=keys).delete()
        rows.delete()
        entries.append(
            phase=Phase.ADMIN,
            action="session.end",
            actor=actor,
            outcome=Outcome.ALLOWED,
            target=("user", str(user.pk)),
            reason_code=why,
            params={"sessions": len(keys), "why": why},
        )
    return len(keys)


def forget_ended() -> None:
    """Delete what is left of sessions that are over."""
    SessionStore.clear_expired()

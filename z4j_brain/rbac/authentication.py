"""How a request to the API proves who sends it: `Authorization: Bearer z4ju_<kid>_<secret>_<crc>`, or a session."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import zlib
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request

from z4j_brain.rbac.models import Token, User

PREFIX = "z4ju"
#: `last_used_at` is kept to the minute, so that a busy token costs one write a minute.
USED_GRAIN = timedelta(minutes=1)


def new_token() -> tuple[str, str, str]:
    """A new (kid, SHA-256 of the secret, plaintext). The checksum lets scanners and typists tell a token from noise."""
    kid, secret = secrets.token_hex(6), secrets.token_hex(24)
    text = f"{PREFIX}_{kid}_{secret}"
    return kid, hash_secret(secret), f"{text}_{zlib.crc32(text.encode()):08x}"


def hash_secret(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class TokenAuthentication(BaseAuthentication):
    """The person whose token this is, nobody for a service token. Everything is looked up on each request: a revoked
    token ends at once.
    """

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="z4j"'

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, Token] | None:
        scheme, _, text = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = _find(text.strip())
        now = timezone.now()
        if token is None or (token.user is not None and not token.user.is_active):
            raise AuthenticationFailed("This token is not known here.", "token_unknown")
        if token.revoked_at is not None:
            raise AuthenticationFailed("This token was revoked.", "token_revoked")
        if token.expires_at <= now:
            raise AuthenticationFailed("This token has expired.", "token_expired")
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - USED_GRAIN)
        Token.objects.filter(stale, pk=token.pk).update(last_used_at=now)
        return token.user or AnonymousUser(), token


def _find(text: str) -> Token | None:
    body, _, check = text.rpartition("_")
    prefix, _, rest = body.partition("_")
    kid, _, secret = rest.partition("_")
    if prefix != PREFIX or check != f"{zlib.crc32(body.encode()):08x}":
        return None
    token = Token.objects.select_related("user").filter(kid=kid).first()
    expected = token.secret_hash if token else hash_secret("")
    return token if hmac.compare_digest(expected, hash_secret(secret)) and token else None


class DenyAll(BasePermission):
    """Nobody. A view that does not say whom it lets in lets in nobody."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return False


class SignedIn(IsAuthenticated):
    """Somebody is signed in. What they may do, `rbac.access` decides."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if isinstance(request.auth, Token) and request.auth.user is None:
            return True  # a service token that has just been looked up
        return isinstance(request.user, User) and request.user.is_active

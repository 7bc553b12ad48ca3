"""Z4J_OIDC: the identity provider by which people may sign in, as one JSON object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

#: The id under which allauth keeps its accounts.
ID = "oidc"
_KNOWN = {
    "issuer": str,
    "client_id": str,
    "client_secret": str,
    "client_secret_file": str,
    "name": str,
    "groups_claim": str,
    "link_by_email": bool,
    "scopes": list,
    "second_factors": list,
}
#: Ways to prove who one is (RFC 8176) that are no second factor: what somebody knows, and what nobody was asked for.
_FIRST = {"pwd", "pin", "kba", "geo", "rba", "user"}


def read(text: str) -> dict[str, Any]:
    """The settings with their defaults; empty for an empty text. Raises ImproperlyConfigured with what is wrong."""
    if not text:
        return {}
    try:
        given = json.loads(text)
    except ValueError as error:
        raise ImproperlyConfigured(f"Z4J_OIDC is no JSON: {error}") from None
    if not isinstance(given, dict) or not set(given) <= set(_KNOWN):
        raise ImproperlyConfigured(f"Z4J_OIDC is an object, and knows {', '.join(_KNOWN)} only.")
    for key, kind in _KNOWN.items():
        if key in given and not isinstance(given[key], kind):
            raise ImproperlyConfigured(f"Z4J_OIDC: {key} is no {kind.__name__}.")
    if missing := [key for key in ("issuer", "client_id") if not given.get(key)]:
        raise ImproperlyConfigured(f"Z4J_OIDC needs {' and '.join(missing)}.")
    counts = given.get("second_factors", [])
    if not all(isinstance(way, str) and way and way not in _FIRST for way in counts):
        raise ImproperlyConfigured("Z4J_OIDC: second_factors are values of amr, and no password is one.")
    _demand_tls(given["issuer"])
    if path := given.get("client_secret_file", ""):
        given["client_secret"] = Path(path).read_text().strip()
    defaults = {"client_secret": "", "name": "single sign-on", "groups_claim": "groups", "link_by_email": False}
    return defaults | {"scopes": ["openid", "profile", "email"], "second_factors": []} | given


def providers(given: dict[str, Any]) -> dict[str, Any]:
    """What allauth's SOCIALACCOUNT_PROVIDERS says of it."""
    if not given:
        return {}
    app = {
        "provider_id": ID,
        "name": given["name"],
        "client_id": given["client_id"],
        "secret": given["client_secret"],
        "settings": {"server_url": given["issuer"], "oauth_pkce_enabled": True, "scope": given["scopes"]},
    }
    return {"openid_connect": {"APPS": [app]}}


def _demand_tls(issuer: str) -> None:
    """Tokens are only as good as the way they come; on this very machine nobody else is on it."""
    parts = urlsplit(issuer)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")):
        raise ImproperlyConfigured(f"Z4J_OIDC: the issuer {issuer} does not start with https://.")

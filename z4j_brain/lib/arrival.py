"""What the brain decides about a request when it arrives: its id, and who really sent it.

Forwarded headers count only when the peer is one of Z4J_TRUSTED_PROXIES; from anybody else they are dropped.
"""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from functools import cache
from typing import Any

from django.conf import settings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: The id of the request that this code works for; empty outside of requests.
request_id: ContextVar[str] = ContextVar("request_id", default="")

_REQUEST_ID, _FORWARDED_FOR, _FORWARDED_PROTO = b"x-request-id", b"x-forwarded-for", b"x-forwarded-proto"
_CLAIMS = frozenset({_REQUEST_ID, _FORWARDED_FOR, _FORWARDED_PROTO})


def arrive(scope: Mapping[str, Any]) -> dict[str, Any]:
    """The scope with an id of ours, and with the sender's own address when a trusted proxy passed it on."""
    headers = [header for header in scope["headers"] if header[0] not in _CLAIMS]
    client, scheme, known = scope.get("client"), scope.get("scheme", "http"), ""
    if client and _trusted(client[0]):
        claims = {name: value.decode("latin-1") for name, value in scope["headers"] if name in _CLAIMS}
        known = claims.get(_REQUEST_ID, "")[:64]
        client = [_sender(claims.get(_FORWARDED_FOR, ""), client[0]), 0]
        if (proto := claims.get(_FORWARDED_PROTO, "")) in ("http", "https"):
            scheme = proto if scope["type"] == "http" else {"http": "ws", "https": "wss"}[proto]
    known = known if known.isascii() and known.isprintable() and known else uuid.uuid4().hex
    request_id.set(known)
    return {**scope, "headers": [*headers, (_REQUEST_ID, known.encode())], "client": client, "scheme": scheme}


def _sender(forwarded: str, peer: str) -> str:
    """The last address that no trusted proxy of ours has: what stands before it, the sender may have made up."""
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    for hop in reversed(hops):
        if not _is_address(hop):
            return peer
        if not _trusted(hop):
            return hop
    return hops[0] if hops else peer


def _trusted(address: str) -> bool:
    networks = _networks(tuple(settings.Z4J_TRUSTED_PROXIES))
    return bool(networks) and _is_address(address) and any(ipaddress.ip_address(address) in one for one in networks)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


@cache
def _networks(names: Sequence[str]) -> list[Network]:
    return [ipaddress.ip_network(name, strict=False) for name in names]

"""Requests that leave the brain: to an address that somebody typed in, so to no place inside our own network.

The name is resolved once, every address it has is looked at, and the connection goes to one of those: a name that
answers differently the second time gains nothing. No redirect is followed, little is read, and nothing of the answer is
shown. All of it is checked again at each request.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from z4j_brain.lib import addresses
from z4j_brain.lib.ids import uuid7

PATIENCE = 5.0
MOST_READ = 64 * 1024
LONGEST = 500
#: How a secret begins that is a key in base64.
WHSEC = "whsec_"


class Undelivered(Exception):
    """What was to be sent did not arrive, or nobody said that it did. The text is for people; it quotes no answer.

    `status`: of the answer, where there was one.
    """

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Place:
    """Where to connect: a name, its port, and the addresses that it has now, all of them harmless."""

    host: str
    port: int
    addresses: tuple[str, ...]


def place(host: str, port: int) -> Place:
    """Resolve a name once. Raises `Undelivered` unless every address it has may be connected to."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Undelivered(f"{host} has no address.") from error
    there = tuple(dict.fromkeys(str(info[4][0]) for info in found))
    if host.lower() not in settings.Z4J_PRIVATE_HOSTS:
        for address in there:
            if not addresses.is_public(addresses.read(address)):
                told = host if host == address else f"{host} ({address})"
                raise Undelivered(f"{told} is inside a private network. Z4J_PRIVATE_HOSTS can allow it.")
    return Place(host, port, there)


def connected(host: str, port: int) -> socket.socket:
    """A connection to the first of the name's addresses that takes one."""
    found, refused = place(host, port), Undelivered(f"{host} does not answer.")
    for address in found.addresses:
        try:
            return socket.create_connection((address, port), timeout=PATIENCE)
        except OSError as error:
            refused.__cause__ = error
    raise refused


def check(address: str) -> None:
    """Raises ValidationError for what is no address of a webhook. Where its name leads is looked at when it is sent."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise ValidationError({"address": gettext("This is no address.")}) from error
    if parts.scheme != "https" or not parts.hostname or len(address) > LONGEST:
        raise ValidationError({"address": gettext("A webhook begins with https:// and names a host.")})
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValidationError({"address": gettext("Leave out names, passwords and #: the signature says who sends.")})
    if port == 0 or any(char.isspace() or ord(char) < 0x20 for char in address):
        raise ValidationError({"address": gettext("This is no address.")})


def post(address: str, body: bytes, secret: str, content_type: str, name: str = "", before: str = "") -> int:
    """Send a signed body, under a `name` that further tries of the same message share. The status of the answer.

    `before`: a secret that some still check by. Raises `Undelivered` unless the answer is 2xx.
    """
    check(address)
    parts = urlsplit(address)
    host, port = str(parts.hostname), parts.port or 443
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Content-Type": content_type, "User-Agent": "z4j", **signed(body, secret, name, before)}
    connection = _Pinned(host, port, timeout=PATIENCE)
    try:
        with connected(host, port) as plain, limited(plain):
            connection.sock = _trusted().wrap_socket(plain, server_hostname=host)
            connection.request("POST", target, body, headers)
            answer = connection.getresponse()
            answer.read(MOST_READ)
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise Undelivered(f"{host} could not be asked: {type(error).__name__}.") from error
    if not 200 <= answer.status < 300:
        raise Undelivered(f"{host} answered {answer.status}.", answer.status)
    return answer.status


def signed(body: bytes, secret: str, name: str = "", before: str = "") -> Mapping[str, str]:
    """The headers of Standard Webhooks: an id, the time, and an HMAC-SHA256 over both and the body, by each secret."""
    name, now = name or uuid7().hex, str(int(time.time()))
    text = f"{name}.{now}.".encode() + body
    signatures = [_signature(text, one) for one in (secret, before) if one]
    return {"webhook-id": name, "webhook-timestamp": now, "webhook-signature": " ".join(signatures)}


def _signature(text: bytes, secret: str) -> str:
    """The key is the secret's text, or what it encodes where it says so by `WHSEC`."""
    key = base64.b64decode(secret.removeprefix(WHSEC)) if secret.startswith(WHSEC) else secret.encode()
    return f"v1,{base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()}"


class _Pinned(http.client.HTTPConnection):
    """A request over a connection that is already there: nothing resolves the name again."""

    default_port = 443

    def connect(self) -> None:
        raise OSError("The connection is gone.")


@contextmanager
def limited(connection: socket.socket) -> Iterator[None]:
    """Whoever answers a byte at a time is not waited for: the connection is cut when its time is over."""
    watched = connection.dup()  # TLS takes the connection over and closes it; this one stays ours
    watch = threading.Timer(PATIENCE, _cut, [watched])
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
        watched.close()


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context()

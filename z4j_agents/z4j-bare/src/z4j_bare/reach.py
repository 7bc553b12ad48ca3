"""The way from here to the brain, hop by hop: name, port, TLS, the brain itself, our key, our clock."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import uuid
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlencode

from z4j_core import wire
from z4j_core.dsn import DSN

from z4j_bare.clock import Skew, now
from z4j_bare.hop import Hop
from z4j_bare.inspection import SKEW
from z4j_bare.transport import CONNECT, Reply, Transport, Unreachable
from z4j_bare.trust import Trust, Untrusted

#: How far the clocks may be apart before we mention it, microseconds.
NOTICED: Final = 5_000_000


def reach(dsn: DSN, transport: Transport) -> Iterator[Hop]:
    """Ends with the first hop that fails: behind it nothing can be known."""
    for part in (_name, _port, _tls, _brain, _key):
        for hop in part(dsn, transport):
            yield hop
            if not hop.ok:
                return


def _name(dsn: DSN, transport: Transport) -> Iterator[Hop]:
    try:
        found = socket.getaddrinfo(dsn.host, dsn.port, type=socket.SOCK_STREAM)
    except OSError:
        fix = "Check the host in Z4J_DSN and this machine's name service."
        yield Hop("name", False, f"The name {dsn.host} does not resolve.", fix)
    else:
        address = found[0][4][0]
        text = f"{dsn.host} is {address}." if address != dsn.host else f"{address} is an address: no name to look up."
        yield Hop("name", True, text)


def _port(dsn: DSN, transport: Transport) -> Iterator[Hop]:
    place = f"{dsn.host}:{dsn.port}"
    try:
        socket.create_connection((dsn.host, dsn.port), CONNECT).close()
    except OSError as error:
        fix = "Is the brain running, is that its port, and does a firewall let this machine through?"
        yield Hop("port", False, f"Nobody takes a connection at {place} ({_why(error)}).", fix)
    else:
        yield Hop("port", True, f"{place} takes connections.")


def _tls(dsn: DSN, transport: Transport) -> Iterator[Hop]:
    if dsn.scheme != "https":
        return
    try:
        with (
            socket.create_connection((dsn.host, dsn.port), CONNECT) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=dsn.host) as safe,
        ):
            yield Hop("tls", True, f"The certificate is valid ({safe.version()}).")
    except ssl.SSLCertVerificationError as error:
        fix = "Use a certificate that this machine trusts; SSL_CERT_FILE names further authorities."
        yield Hop("tls", False, f"The certificate of {dsn.host} is not valid: {error.verify_message}.", fix)
    except OSError as error:
        fix = "Is that port the one with TLS?"
        yield Hop("tls", False, f"{dsn.host}:{dsn.port} does not speak TLS with us ({_why(error)}).", fix)


def _brain(dsn: DSN, transport: Transport) -> Iterator[Hop]:
    try:
        Trust(dsn.key, transport).check()
    except Unreachable as error:
        fix = "Is the address in Z4J_DSN the brain's, with the path at which it is mounted?"
        yield Hop("brain", False, f"Something answers there, but not as a brain does ({error}).", fix)
    except Untrusted:
        text = "A brain answers, but its root is not the one pinned in the DSN: agents obey no command of it."
        yield Hop("brain", False, text, "Copy the DSN again from the panel of the brain that you mean.")
    else:
        yield Hop("brain", True, "The brain answers, and its root is the one pinned in the DSN.")


def _key(dsn: DSN, transport: Transport) -> Iterator[Hop]:
    skew, began = Skew(), now()
    query = urlencode({"boot": str(uuid.uuid4()), "wait": 0, "v": wire.VERSION})
    try:
        reply = transport.get(f"{wire.COMMANDS_PATH}?{query}")
    except Unreachable as error:
        yield Hop("key", False, f"The brain did not answer when asked with the key ({error}).", "Try again.")
        return
    if reply.status in (401, 403):
        fix = "It may be revoked, expired or of another brain: make a new key in the panel and use its DSN."
        yield Hop("key", False, f"The brain does not accept the key {dsn.kid} ({reply.status}).", fix)
    elif reply.status != 200:
        yield Hop("key", False, f"The brain answers {reply.status} to this key.", "Its log says why.")
    else:
        yield Hop("key", True, f"The key {dsn.kid} is accepted.")
        skew.note(began, now(), read(reply).get("time"))
        yield from _place(dsn, transport)
        yield from _clock(skew)


def _place(dsn: DSN, transport: Transport) -> Iterator[Hop]:
    """Events go where the key belongs, whatever the DSN's path says. A brain that does not tell is not doubted."""
    try:
        told = read(transport.get(f"{wire.HELLO_PATH}?{urlencode({'engine': '', 'task_id': ''})}")).get("place")
    except Unreachable:
        return
    named = f"{dsn.project}/{dsn.environment}"
    if isinstance(told, str) and told != named:
        text = f"The DSN names {named}, but its key belongs to {told[: wire.MAX_NAME]}: there its tasks are seen."
        yield Hop("environment", True, text, "Copy the DSN again whole from the page of the right one.", warning=True)
    elif told:
        yield Hop("environment", True, f"Its environment is {named}.")


def _clock(skew: Skew) -> Iterator[Hop]:
    if skew.estimate is None:
        return
    apart = abs(skew.estimate)
    text = f"This clock and the brain's are {apart / 1_000_000:.1f} s apart."
    fix = "Let both machines keep their time by NTP."
    if apart > SKEW:
        yield Hop("clock", False, f"{text} Commands count as expired here.", fix)
    elif apart > NOTICED:
        yield Hop("clock", True, text, fix, warning=True)
    else:
        yield Hop("clock", True, text)


def read(reply: Reply) -> dict[str, Any]:
    """The JSON object of an answer; empty when it is none."""
    with contextlib.suppress(ValueError, RecursionError):
        answer = json.loads(reply.body)
        return answer if isinstance(answer, dict) else {}
    return {}


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__

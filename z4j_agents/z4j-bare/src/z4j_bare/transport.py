"""One kept-alive connection to the brain, for one thread. HTTP/1.1 from the standard library, certificates verified.

Everything that this needs is imported here, so that it is imported before our first thread starts: a module lock held
by a thread at the moment of a fork would hang the child.
"""

from __future__ import annotations

import contextlib
import email.parser  # noqa: F401 - http.client parses headers with it
import encodings.idna  # noqa: F401 - host names are encoded with it
import http.client
import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from z4j_core import wire
from z4j_core.dsn import DSN

from z4j_bare.gate import gate

CONNECT: Final = 5.0
ANSWER: Final = 20.0


class Unreachable(Exception):
    """The brain did not answer: nobody knows what it did with what was sent."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    retry_after: float = 0.0


class Transport:
    def __init__(self, dsn: DSN) -> None:
        self._dsn = dsn
        self._headers = {"Authorization": f"Bearer {dsn.bearer()}", "User-Agent": "z4j-bare/0.1"}
        self._tls: ssl.SSLContext | None = None
        self._connection: http.client.HTTPConnection | None = None
        self._pid = os.getpid()
        gate.register(self)

    def post(self, path: str, body: bytes, headers: Mapping[str, str], *, wait: float = ANSWER) -> Reply:
        return self._call("POST", path, body, {"Content-Type": "application/json", **headers}, wait)

    def get(self, path: str, *, wait: float = ANSWER) -> Reply:
        return self._call("GET", path, None, {}, wait)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def interrupt(self) -> None:
        """From another thread: whoever waits for an answer stops waiting."""
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def before_fork(self) -> None:
        """A socket may be open at a fork; the child lets go of it."""

    def after_fork(self, clean: bool) -> None:
        connection, self._connection, self._pid = self._connection, None, os.getpid()
        if connection is not None and connection.sock is not None:
            # Only the descriptor: closing TLS properly would end the parent's session.
            with contextlib.suppress(OSError):
                os.close(connection.sock.detach())

    def _call(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], wait: float) -> Reply:
        reused = self._connection is not None
        try:
            return self._exchange(method, path, body, headers, wait)
        except (http.client.HTTPException, OSError, ValueError) as error:
            self.close()
            if reused and isinstance(error, (ConnectionError, http.client.BadStatusLine)):
                # The brain closed an idle connection, as it may. Each call may be repeated: the brain knows it again.
                return self._again(method, path, body, headers, wait)
            raise Unreachable(type(error).__name__) from error

    def _again(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], wait: float) -> Reply:
        try:
            return self._exchange(method, path, body, headers, wait)
        except (http.client.HTTPException, OSError, ValueError) as error:
            self.close()
            raise Unreachable(type(error).__name__) from error

    def _exchange(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], wait: float) -> Reply:
        connection = self._connection or self._connect()
        connection.sock.settimeout(wait)
        connection.request(method, self._dsn.prefix + path, body, {**self._headers, **headers})
        answer = connection.getresponse()
        content = answer.read(wire.MAX_RAW + 1)
        if len(content) > wire.MAX_RAW or answer.will_close:
            self.close()
        if len(content) > wire.MAX_RAW:
            raise http.client.HTTPException("too long")
        return Reply(answer.status, content, _seconds(answer.getheader("Retry-After")))

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._dsn.host, self._dsn.port
        if self._dsn.scheme == "http":
            connection = http.client.HTTPConnection(host, port, timeout=CONNECT)
        else:
            # Made here, on our own thread: reading the certificates of a system takes a while.
            self._tls = self._tls or ssl.create_default_context()
            connection = http.client.HTTPSConnection(host, port, timeout=CONNECT, context=self._tls)
        connection.connect()
        self._connection = connection
        return connection


def _seconds(text: str | None) -> float:
    return min(float(text), 60.0) if text and text.isascii() and text.isdigit() else 0.0

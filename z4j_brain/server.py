"""The default server: Daphne, with a request that refuses large bodies before they are read, and an orderly end.

Measured: Daphne alone reads a body whole, into a temporary file, before anybody can refuse it. And it buffers without
end for a websocket whose other side stops reading.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import signal
import socket
import sys
import time
from http import HTTPStatus
from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.server import Server, reactor
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from django.conf import settings
from django.core.checks import CheckMessage, run_checks
from django.db import OperationalError, connection
from twisted.logger import STDLibLogObserver, globalLogBeginner
from z4j_core import wire

from z4j_brain import checks
from z4j_brain.asgi import application
from z4j_brain.housekeeping import loops, signing
from z4j_brain.lib import drain, keys, schema
from z4j_brain.lib.problem import CONTENT_TYPE, Problem
from z4j_brain.rbac import actions
from z4j_brain.rbac.access import INSTANCE
from z4j_brain.rbac.actor import COMMAND_LINE
from z4j_brain.rbac.models import Setup

logger = logging.getLogger(__name__)

MAX_BODY = 2_621_440
AGENT_PREFIX = b"/agent/"
#: How long a refused sender may go on talking until the connection is cut: closing at once would take the answer along.
LINGER = 1.0
#: /readyz says no for at least this long, so that a load balancer may notice, and requests may run on for at most that.
DRAIN_AT_LEAST, DRAIN_AT_MOST = 0.5, 8.0
WEBSOCKET_MESSAGE = 64 * 1024
#: What the kernel holds back for a websocket that is not read; as much again waits here before it is cut.
WEBSOCKET_BACKLOG = 64 * 1024
#: Connections that may wait to be taken: many agents come back at once when a brain returns.
LISTEN_BACKLOG = 1024


def serve() -> None:
    """The whole brain in one process: migrate, print the set-up link if nobody owns it, answer until told to end."""
    _prepare(run_checks(tags=[checks.TAG]))
    _offer_setup()
    signing.start()
    loops.start()
    _answer(shared=False)


def web() -> None:
    """Of a brain of several processes, one that answers. Any number on this machine may share the port."""
    _prepare([*run_checks(tags=[checks.TAG]), *checks.scaled_out("web")])
    with schema.alone():
        _offer_setup(again=False)
    _answer(shared=True)


def housekeeping() -> None:
    """Of a brain of several processes, one that keeps the house. Any number may run."""
    _prepare([*run_checks(tags=[checks.TAG]), *checks.scaled_out("housekeeping")])
    loops.run_alone()


def signer() -> None:
    """Of a brain of several processes, the one that signs the log. A second one waits until the first is gone."""
    _prepare([*run_checks(tags=[checks.TAG]), *checks.scaled_out("signer")])
    signing.run_alone()


def _prepare(findings: list[CheckMessage]) -> None:
    for finding in findings:
        sys.stderr.write(f"{finding}\n")
    if any(finding.is_serious() for finding in findings):
        sys.exit(1)
    try:
        connection.ensure_connection()
    except OperationalError as error:  # whoever started us starts us again
        logger.critical("store_away error=%s", " ".join(str(error).split()))
        sys.exit(1)
    schema.migrate()
    keys.ring()


def _offer_setup(*, again: bool = True) -> None:
    """Print a link for the first administrator; unless `again`, not while one that another process printed is good.

    The first start of all prints the recovery key of the log, too: nobody can show it again.
    """
    sys.stdout.write(f"z4j listens on {settings.Z4J_URL}\n")
    if not Setup.is_done() and (again or not Setup.is_offered()):
        secret = actions.offer_setup(INSTANCE, actor=COMMAND_LINE)
        sys.stdout.write(f"Set it up within 15 minutes, once: {settings.Z4J_URL}/set-up/{secret}/\n")
    if recovery := keys.ring().make_recovery():
        sys.stdout.write(f"Keep this recovery key of the audit log offline; it is shown once: {recovery}\n")
    sys.stdout.flush()


def _answer(*, shared: bool) -> None:
    try:
        listening = _listen(settings.Z4J_HOST, settings.Z4J_PORT, shared=shared)
    except OSError as error:
        logger.critical("listen_failed host=%s port=%s error=%s", settings.Z4J_HOST, settings.Z4J_PORT, error)
        sys.exit(1)
    # What is here now stays, and thousands who wait are no garbage: looking through them all took a third of the loop's
    # time (measured with 9,000 waiting polls).
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    WebServer(application, listening).run()


def _listen(host: str, port: int, *, shared: bool) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, kind, protocol)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:  # the kernel deals connections out to all who listen
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind(address)
    listening.listen(LISTEN_BACKLOG)
    listening.setblocking(False)
    return listening


#: Of Twisted's own log, what `logging` lets through: warnings and failures.
_twisted_log: Any = STDLibLogObserver("twisted")


class Request(WebRequest):  # type: ignore[misc]
    """A request whose headers say too much is answered at once; its body is neither stored nor handed on."""

    refused = False

    def gotLength(self, length: int | None) -> None:
        problem = _refusal(self.channel._path, length)
        if problem is None:
            super().gotLength(length)
            return
        self.refused = True
        self.requestHeaders.removeHeader(b"Expect")  # no 100 Continue
        self.channel.transport.write(_raw(problem))
        reactor.callLater(LINGER, self.channel.loseConnection)

    def handleContentChunk(self, data: bytes) -> None:
        if not self.refused:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        if not self.refused:
            super().requestReceived(command, path, version)


def _refusal(path: bytes, length: int | None) -> Problem | None:
    cap = wire.MAX_BODY if path.startswith(AGENT_PREFIX) else MAX_BODY
    if length is None:
        return Problem(411, "length_required", "Length required", "Send a Content-Length; chunked bodies are not read.")
    if length > cap:
        return Problem(413, "body_too_large", "Body too large", f"A body here has {cap} bytes at most.")
    return None


def _raw(problem: Problem) -> bytes:
    body = json.dumps(problem.body()).encode()
    head = f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\nContent-Type: {CONTENT_TYPE}\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


class Factory(HTTPFactory):  # type: ignore[misc]
    def buildProtocol(self, address: Any) -> Any:
        protocol = super().buildProtocol(address)
        protocol.requestFactory = Request
        return protocol


class Websocket(WebSocketProtocol):  # type: ignore[misc]
    """A websocket whose other side has stopped reading is cut: its page comes back, and asks for all it missed."""

    def connectionMade(self) -> None:
        super().connectionMade()
        handle = self.transport.getHandle()
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, WEBSOCKET_BACKLOG)
        self.transport.unregisterProducer()  # that of the HTTP channel
        self.transport.registerProducer(self, True)

    def pauseProducing(self) -> None:
        """More waits here than anybody who reads would leave."""
        logger.warning("websocket_cut reason=unread")
        self.transport.abortConnection()

    def resumeProducing(self) -> None:
        """It was read in time."""

    def stopProducing(self) -> None:
        """The connection is gone; `connectionLost` tells."""


class WebsocketFactory(WebSocketFactory):  # type: ignore[misc]
    protocol = Websocket


class WebServer(Server):  # type: ignore[misc]
    """Daphne's server with our request, which drains before it stops."""

    def __init__(self, application: Any, listening: socket.socket) -> None:
        super().__init__(application, ["a socket that listens already"])
        self.listening = listening

    def run(self) -> None:
        self.connections: dict[Any, dict[str, Any]] = {}
        self.http_factory = Factory(self)
        self.ws_factory = WebsocketFactory(self, server="z4j")
        self.ws_factory.setProtocolOptions(
            autoPingTimeout=self.ping_timeout,
            openHandshakeTimeout=self.websocket_handshake_timeout,
            maxMessagePayloadSize=WEBSOCKET_MESSAGE,
            maxFramePayloadSize=WEBSOCKET_MESSAGE,
        )
        self.server_name = ""
        globalLogBeginner.beginLoggingTo([_twisted_log], redirectStandardIO=False, discardBuffer=True)
        asyncio.set_event_loop(reactor._asyncioEventloop)
        reactor.callLater(1, self.application_checker)
        reactor.callLater(2, self.timeout_checker)
        self.port = reactor.adoptStreamPort(self.listening.fileno(), self.listening.family, self.http_factory)
        self.listening.close()  # the port has its own
        signal.signal(signal.SIGTERM, self._told_to_stop)
        signal.signal(signal.SIGINT, self._told_to_stop)
        reactor.addSystemEventTrigger("before", "shutdown", self.kill_all_applications)
        reactor.run(installSignalHandlers=False)

    def _told_to_stop(self, number: int, frame: Any) -> None:
        """The first signal drains, the second stops at once."""
        reactor.callFromThread(self.stop if drain.begun() else self._drain)

    def _drain(self) -> None:
        logger.info("draining requests=%s", self._running())
        drain.begin()
        self._stop_when_idle(time.monotonic())

    def _stop_when_idle(self, since: float) -> None:
        waited = time.monotonic() - since
        if waited >= DRAIN_AT_LEAST and self.port.connected:
            self.port.stopListening()  # whoever comes now is another process's
        if waited >= DRAIN_AT_MOST or (waited >= DRAIN_AT_LEAST and not self._running()):
            self.stop()
        else:
            reactor.callLater(0.05, self._stop_when_idle, since)

    def _running(self) -> int:
        """HTTP requests without an answer yet. Websockets do not count: their pages come back by themselves."""
        return sum(
            isinstance(protocol, Request) and "application_instance" in details and "disconnected" not in details
            for protocol, details in self.connections.items()
        )

    def kill_all_applications(self) -> None:
        """What still runs has had its time. (Daphne's own stumbles over connections without an application.)"""
        for details in self.connections.values():
            if running := details.get("application_instance"):
                running.cancel()

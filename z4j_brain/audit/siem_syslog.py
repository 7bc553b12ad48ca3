"""Syslog as RFC 5424 has it, and the ways to a collector: UDP, TCP with octet counting, the same in TLS, a socket file.

Nobody acknowledges syslog. Over TCP the brain says that it is done and waits until the collector has closed, too: only
then everything was read. Over UDP, and to a socket file, sent is all that can be known.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from z4j_brain.audit import webhooks
from z4j_brain.audit.webhooks import PATIENCE, Undelivered

#: Facility 13, log audit.
_AUDIT = 13 * 8
NOTICE, WARNING = 5, 4
#: The number that RFC 5612 keeps for examples: nobody else's.
_ID = "z4j@32473"
_PORTS = {"udp": 514, "tcp": 601, "tls": 6514}
#: Of the system itself, on most of them.
LOCAL = "/dev/log"
#: What fits into one datagram.
_DATAGRAM = 65_000
_SPECIAL = re.compile(r'(["\\\]])')
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x80-\x9f]")


@dataclass(frozen=True, slots=True)
class Collector:
    """Where syslog goes to, as an address says it: `tcp://siem.example:601`, `unix:///dev/log`."""

    way: str
    host: str
    port: int
    path: str = ""

    @classmethod
    def of(cls, address: str) -> Collector:
        """Raises ValidationError for what is no such address."""
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError as error:
            raise ValidationError({"address": gettext("This is no address.")}) from error
        if parts.scheme == "unix" and not parts.netloc and parts.path.startswith("/"):
            return cls("unix", "", 0, parts.path)
        bare = not (parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc)
        if parts.scheme not in _PORTS or not parts.hostname or not bare:
            raise ValidationError(
                {"address": gettext("Write udp://, tcp:// or tls:// and host:port, or unix:///path.")}
            )
        return cls(parts.scheme, parts.hostname, port or _PORTS[parts.scheme])

    def send(self, lines: Sequence[bytes]) -> None:
        """All of these, in order. Raises `Undelivered`."""
        try:
            if self.way == "unix":
                self._to_file(lines)
            elif self.way == "udp":
                self._datagrams(lines)
            else:
                self._stream(lines)
        except OSError as error:
            where = self.path or self.host
            raise Undelivered(f"{where} did not take it: {error.strerror or type(error).__name__}.") from error

    def _to_file(self, lines: Sequence[bytes]) -> None:
        if self.path != LOCAL and self.path not in settings.Z4J_PRIVATE_HOSTS:
            raise Undelivered(f"{self.path} is a file of this machine. Z4J_PRIVATE_HOSTS can allow it.")
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(self.path)
            for line in lines:
                sock.send(line[:_DATAGRAM])

    def _datagrams(self, lines: Sequence[bytes]) -> None:
        address = webhooks.place(self.host, self.port).addresses[0]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as sock:
            sock.settimeout(PATIENCE)
            sock.connect((address, self.port))
            for line in lines:
                sock.send(line[:_DATAGRAM])

    def _stream(self, lines: Sequence[bytes]) -> None:
        with webhooks.connected(self.host, self.port) as plain, webhooks.limited(plain):
            sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host) if self._sealed else plain
            sock.sendall(b"".join(b"%d %b" % (len(line), line) for line in lines))
            if isinstance(sock, ssl.SSLSocket):
                sock = sock.unwrap()
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(4096):
                pass

    @property
    def _sealed(self) -> bool:
        return self.way == "tls"


def line(name: str, ts: datetime, facts: Mapping[str, str], text: str, severity: int = NOTICE) -> bytes:
    """One message. `facts` are its structured data."""
    stamp = ts.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    data = "".join(f' {key}="{_escaped(value)}"' for key, value in facts.items() if value)
    head = f"<{_AUDIT + severity}>1 {stamp} {_host()} z4j {os.getpid()} {_word(name, 32)} [{_ID}{data}] "
    return head.encode() + b"\xef\xbb\xbf" + _plain(text).encode()


def is_local() -> bool:
    """Has this machine a system log?"""
    return Path(LOCAL).exists()


def _escaped(value: str) -> str:
    return _SPECIAL.sub(r"\\\1", _plain(value))


def _plain(text: str) -> str:
    """In one line, with nothing that steers a terminal, and what is no text left out."""
    return _CONTROL.sub(" ", text).encode("utf-8", "replace").decode()


def _word(text: str, longest: int) -> str:
    return re.sub(r"[^\x21-\x7e]", "", text)[:longest] or "-"


def _host() -> str:
    return _word(urlsplit(settings.Z4J_URL).hostname or "", 255)

"""The mail server, as one address says it: `smtp://user:password@host:587`, `smtps://host`, `smtp+plain://host:25`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

#: Each scheme with its usual port: TLS from STARTTLS on, TLS from the first byte on, none.
_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}


@dataclass(frozen=True, slots=True)
class MailServer:
    host: str = ""
    port: int = 25
    user: str = ""
    password: str = ""
    starttls: bool = False
    tls: bool = False


def read(url: str) -> MailServer:
    """None, with an empty host, where nothing is told."""
    if not url:
        return MailServer()
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ImproperlyConfigured(f"Z4J_MAIL_URL starts with one of {', '.join(_PORTS)}:// and names a host.")
    return MailServer(
        host=parts.hostname,
        port=parts.port or _PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        starttls=parts.scheme == "smtp",
        tls=parts.scheme == "smtps",
    )

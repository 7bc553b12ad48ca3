"""What must hold before the brain may start; `z4j check` and `z4j serve` ask here. Each finding says what to do."""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import connection
from django.http.request import validate_host

TAG = "z4j"
SHORTEST_SECRET = 50
#: What stands in examples, and in projects that were begun from one.
_DEFAULTS = ("django-insecure", "change-me", "changeme", "secret-key", "your-secret")


@register(TAG)
def secret_key(**kwargs: Any) -> Iterable[CheckMessage]:
    for name, secret in _given_secrets():
        if len(secret) < SHORTEST_SECRET or len(set(secret)) < 5:
            hint = f"Leave {name} out: the brain makes a secret of its own in the data folder."
            yield Error(f"{name} has fewer than {SHORTEST_SECRET} characters or repeats few.", hint, id="z4j.E001")
        elif secret.lower().startswith(_DEFAULTS):
            yield Error(f"{name} is one that stands in examples.", "Make one of your own.", id="z4j.E001")


@register(TAG)
def secret_files(**kwargs: Any) -> Iterable[CheckMessage]:
    files = [path for path in _secret_files() if stat.S_IMODE(path.stat().st_mode) & 0o077]
    # Mounted secrets may be for the group of the brain; nobody else may read them.
    files += [path for path in _named_files() if stat.S_IMODE(path.stat().st_mode) & 0o007]
    for path in files:
        yield Error(f"Others may read {path}.", f"chmod 600 {path}, and think about a new secret.", id="z4j.E002")


@register(TAG)
def secrets_differ(**kwargs: Any) -> Iterable[CheckMessage]:
    contents = [path.read_bytes() for path in _secret_files()]
    hint = "Each secret has a purpose of its own: remove the copy, and let the brain make a new one."
    if len(set(contents)) < len(contents):
        yield Error(f"Two secrets in {settings.Z4J_DATA_DIR} are the same.", hint, id="z4j.E003")
    given = [secret for _, secret in _given_secrets()]
    if len(set(given)) < len(given):
        yield Error("Two of the secrets that Z4J_... variables give are the same.", hint, id="z4j.E003")


@register(TAG)
def hosts(**kwargs: Any) -> Iterable[CheckMessage]:
    if "*" in settings.ALLOWED_HOSTS:
        yield Error("Z4J_ALLOWED_HOSTS accepts every name.", "List the names under which people come.", id="z4j.E004")
    name = urlsplit(settings.Z4J_URL).hostname or ""
    if settings.SECURE and not validate_host(name, settings.ALLOWED_HOSTS):
        hint = f"Set Z4J_ALLOWED_HOSTS={name}, and any other name under which people and agents come."
        yield Error(f"{name} of Z4J_URL is not among Z4J_ALLOWED_HOSTS.", hint, id="z4j.E010")


@register(TAG)
def address(**kwargs: Any) -> Iterable[CheckMessage]:
    if not settings.Z4J_URL.startswith(("http://", "https://")):
        hint = "Write the address that people and agents use, such as https://z4j.example.com."
        yield Error(f"Z4J_URL={settings.Z4J_URL} is no address.", hint, id="z4j.E005")
    elif not settings.SECURE and not _loopback(settings.Z4J_HOST):
        hint = "Put a proxy with TLS before it, and set Z4J_URL to https://..."
        yield Warning("Passwords and tokens would travel unencrypted.", hint, id="z4j.W001")


@register(TAG)
def proxies(**kwargs: Any) -> Iterable[CheckMessage]:
    for name in settings.Z4J_TRUSTED_PROXIES:
        try:
            ipaddress.ip_network(name, strict=False)
        except ValueError:
            hint = "Write addresses or networks, such as 10.0.0.0/8."
            yield Error(f"Z4J_TRUSTED_PROXIES: {name} is no network.", hint, id="z4j.E006")


@register(TAG)
def channel_layer(**kwargs: Any) -> Iterable[CheckMessage]:
    layer: dict[str, Any] = settings.CHANNEL_LAYERS["default"]
    if "redis" not in layer["BACKEND"]:
        return
    for host in layer["CONFIG"]["hosts"]:
        # redis-py 8 gives up an idle read after 5 s by default, and channels then closes every idle websocket.
        if not isinstance(host, dict) or not host.get("socket_timeout"):
            yield Error("The channel layer sets no socket_timeout.", "Write one of at least 30 s.", id="z4j.E007")


def scaled_out(role: str) -> Iterable[CheckMessage]:
    """What a part of the brain needs that the whole does not: a store and a line that it shares with the others."""
    if connection.vendor != "postgresql":
        hint = "Set Z4J_DATABASE_URL=postgres://user:password@host/name, or run `z4j serve`, which needs nothing."
        yield Error(f"`z4j {role}` needs PostgreSQL: several processes share it.", hint, id="z4j.E008")
    if not settings.CHANNEL_URL:
        hint = "Set Z4J_CHANNEL_URL=redis://host:6379/0 (Redis or Valkey), or run `z4j serve`, which needs nothing."
        yield Error(f"`z4j {role}` needs a channel layer: by it processes wake each other.", hint, id="z4j.E009")


def _secret_files() -> list[Path]:
    folders = [settings.Z4J_DATA_DIR / name for name in ("secrets", "keys")]
    return sorted(path for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_file())


def _given_secrets() -> list[tuple[str, str]]:
    """The secrets that stand in the settings, by the variable that may give them."""
    keys = [("Z4J_SECRET_KEY", settings.SECRET_KEY), ("Z4J_FIELD_SECRET", settings.Z4J_FIELD_SECRET)]
    return keys + [("Z4J_SECRET_KEY_FALLBACKS", one) for one in settings.SECRET_KEY_FALLBACKS]


def _named_files() -> list[Path]:
    """The files that `Z4J_..._FILE` and the identity provider's settings name."""
    named = {path for name, path in os.environ.items() if name.startswith("Z4J_") and name.endswith("_FILE")}
    named.add(settings.Z4J_OIDC.get("client_secret_file", ""))
    return sorted(Path(path) for path in named if path and Path(path).is_file())


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

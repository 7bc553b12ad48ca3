"""The instance's Ed25519 keys: the root that agents pin, and the action and log keys that the root vouches for."""

from __future__ import annotations

import base64
import time
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from z4j_core import dsn, wire

from z4j_brain.lib import canonical, datafolder


class KeyRing:
    def __init__(self, root: Ed25519PrivateKey, action: Ed25519PrivateKey, log: Ed25519PrivateKey) -> None:
        self._root, self._action, self._log = root, action, log

    @classmethod
    def load(cls, folder: Path) -> KeyRing:
        """The keys in `folder`/keys, each a file of mode 0600, made on first use."""
        return cls(*(_load(folder / "keys" / name) for name in ("root", "action", "log")))

    @property
    def root(self) -> bytes:
        """The public half of the root, 32 bytes."""
        return _public(self._root)

    @property
    def fingerprint(self) -> str:
        return dsn.fingerprint(self.root)

    def sign_command(self, body: bytes) -> wire.Signed:
        return _sign(self._action, wire.COMMAND_DOMAIN, body)

    def statement(self) -> wire.Signed:
        """The keys in force, signed by the root: an agent that pins the root needs nothing else to trust them."""
        keys = wire.Keys(
            v=wire.VERSION,
            action={key_id(self._action): _b64(_public(self._action))},
            log={key_id(self._log): _b64(_public(self._log))},
            issued=time.time_ns() // 1000,
        )
        return _sign(self._root, wire.KEYS_DOMAIN, canonical.encode(keys))


@cache
def ring() -> KeyRing:
    """The keys of this instance's data folder."""
    return KeyRing.load(settings.Z4J_DATA_DIR)


def key_id(key: Ed25519PrivateKey) -> str:
    return dsn.fingerprint(_public(key))[:16]


def _load(path: Path) -> Ed25519PrivateKey:
    raw = (
        path.read_bytes()
        if path.exists()
        else datafolder.create(path, Ed25519PrivateKey.generate().private_bytes_raw())
    )
    return Ed25519PrivateKey.from_private_bytes(raw)


def _sign(key: Ed25519PrivateKey, domain: bytes, body: bytes) -> wire.Signed:
    return wire.Signed(body=_b64(body), kid=key_id(key), sig=_b64(key.sign(domain + body)))


def _public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")

"""The instance's Ed25519 keys: the root that agents pin, and the action and log keys that the root vouches for.

Each is a file of mode 0600 in the data folder's `keys`, made on first use. A process that does not sign the log works
where only `log.pub` lies, the public half. Of the recovery key, only the public half is ever kept: the private one is
printed once, for a drawer.
"""

from __future__ import annotations

import base64
import time
from functools import cache, cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from z4j_core import dsn, wire

from z4j_brain.lib import canonical, datafolder

RECOVERY_PREFIX = "z4jr_"


class KeyRing:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "keys"

    @classmethod
    def load(cls, folder: Path) -> KeyRing:
        """The keys below `folder`, made where there are none. Nothing is kept of the log key but its public half."""
        ring = cls(folder)
        ring.statement()
        return ring

    @cached_property
    def _root(self) -> Ed25519PrivateKey:
        return _load(self.folder / "root")

    @cached_property
    def _action(self) -> Ed25519PrivateKey:
        return _load(self.folder / "action")

    @cached_property
    def _log(self) -> Ed25519PrivateKey:
        return _load(self.folder / "log")

    @property
    def root(self) -> bytes:
        """The public half of the root, 32 bytes."""
        return _public(self._root)

    @cached_property
    def log_public(self) -> bytes:
        path = self.folder / "log.pub"
        return path.read_bytes() if path.exists() else datafolder.create(path, _public(self._log))

    @property
    def recovery_public(self) -> bytes | None:
        """None until `make_recovery`."""
        path = self.folder / "recovery.pub"
        return path.read_bytes() if path.exists() else None

    @property
    def fingerprint(self) -> str:
        return dsn.fingerprint(self.root)

    def sign_command(self, body: bytes) -> wire.Signed:
        return _sign(self._action, wire.COMMAND_DOMAIN, body)

    def sign_log(self, text: bytes) -> bytes:
        """The log key's signature of a checkpoint's text. Only the signer asks for it."""
        return self._log.sign(text)

    def statement(self) -> wire.Signed:
        """The keys in force, signed by the root: an agent that pins the root needs nothing else to trust them."""
        keys = wire.Keys(
            v=wire.VERSION,
            action={key_id(_public(self._action)): _b64(_public(self._action))},
            log={key_id(self.log_public): _b64(self.log_public)},
            issued=time.time_ns() // 1000,
        )
        if recovery := self.recovery_public:
            keys["recovery"] = {key_id(recovery): _b64(recovery)}
        return _sign(self._root, wire.KEYS_DOMAIN, canonical.encode(keys))

    def make_recovery(self, *, anew: bool = False) -> str:
        """Make a recovery key and keep its public half; the private half as text, or "" where there is one already."""
        path, key = self.folder / "recovery.pub", Ed25519PrivateKey.generate()
        if anew:
            path.unlink(missing_ok=True)
        elif path.exists():
            return ""
        kept = datafolder.create(path, _public(key))
        return RECOVERY_PREFIX + key.private_bytes_raw().hex() if kept == _public(key) else ""


class Recovery:
    """The private half of a recovery key, out of the text that was printed."""

    def __init__(self, text: str) -> None:
        raw = text.strip().removeprefix(RECOVERY_PREFIX)
        if len(raw) != 64 or set(raw) - set("0123456789abcdef"):
            raise ValueError(f"A recovery key is {RECOVERY_PREFIX} and 64 hexadecimal digits.")
        self._key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(raw))

    @property
    def public(self) -> bytes:
        return _public(self._key)

    def sign(self, text: bytes) -> bytes:
        return self._key.sign(text)


@cache
def ring() -> KeyRing:
    """The keys of this instance's data folder."""
    return KeyRing.load(settings.Z4J_DATA_DIR)


def key_id(public: bytes) -> str:
    return dsn.fingerprint(public)[:16]


def _load(path: Path) -> Ed25519PrivateKey:
    raw = (
        path.read_bytes()
        if path.exists()
        else datafolder.create(path, Ed25519PrivateKey.generate().private_bytes_raw())
    )
    return Ed25519PrivateKey.from_private_bytes(raw)


def _sign(key: Ed25519PrivateKey, domain: bytes, body: bytes) -> wire.Signed:
    return wire.Signed(body=_b64(body), kid=key_id(_public(key)), sig=_b64(key.sign(domain + body)))


def _public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")

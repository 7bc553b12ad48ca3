"""The keys that originals are sealed to: a private one for the workers' side alone, and its fingerprint for everybody.

`z4j-agent keys init` makes one. A private key is one word that begins with `z4js_`; a public one is 32 bytes.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from z4j_core.dsn import fingerprint
from z4j_core.sealed import KID

PREFIX: Final = "z4js_"


class InvalidKey(ValueError):
    """A sentence that says what is wrong, and never holds a secret."""


@dataclass(frozen=True, slots=True)
class SealKeys:
    """`private`: the newest first; what is sealed here is sealed to the first. `pinned`: fingerprints of public keys
    that may be sealed to where no private one is at hand.
    """

    private: tuple[X25519PrivateKey, ...] = field(default=(), repr=False)
    pinned: frozenset[str] = frozenset()

    @classmethod
    def read(cls, private: Sequence[str], pinned: Sequence[str]) -> SealKeys:
        """Each of `private` is a key or the path of a file that holds one. Raises InvalidKey."""
        keys = cls(tuple(map(_private, private)), frozenset(pinned))
        if keys.private and keys.pinned and not keys.pinned & {print_of(key.public_key()) for key in keys.private}:
            raise InvalidKey("None of the pinned fingerprints is that of a private key given here.")
        return keys

    def __bool__(self) -> bool:
        return bool(self.private or self.pinned)


def make() -> X25519PrivateKey:
    return X25519PrivateKey.generate()


def write(key: X25519PrivateKey) -> str:
    """The private key as one word."""
    return PREFIX + base64.urlsafe_b64encode(key.private_bytes_raw()).rstrip(b"=").decode()


def save(key: X25519PrivateKey, path: Path) -> None:
    """Into a new file that nobody else can read. Raises OSError, also where there is a file already."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(write(key) + "\n")


def print_of(key: X25519PublicKey) -> str:
    """The fingerprint by which a public key is pinned."""
    return fingerprint(key.public_bytes_raw())


def kid_of(key: X25519PublicKey) -> str:
    """What stands on each blob that is sealed to it."""
    return print_of(key)[:KID]


def tell(key: X25519PublicKey) -> str:
    """The public key in base64."""
    return base64.b64encode(key.public_bytes_raw()).decode()


def public(text: str) -> X25519PublicKey:
    """Raises InvalidKey."""
    try:
        return X25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except ValueError as error:
        raise InvalidKey("A public key is 32 bytes in base64.") from error


def _private(given: str) -> X25519PrivateKey:
    word = given
    if not given.startswith(PREFIX):
        try:
            word = Path(given).expanduser().read_text().strip()
        except (OSError, ValueError) as error:
            # Not with what was given: somebody may have taken a key for a path.
            raise InvalidKey("It is neither a key that begins with z4js_ nor a file that can be read.") from error
    body = word.removeprefix(PREFIX)
    try:
        if not word.startswith(PREFIX):
            raise ValueError
        return X25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except ValueError as error:
        raise InvalidKey(
            "A private key is one word that begins with z4js_, as z4j-agent keys init writes it."
        ) from error

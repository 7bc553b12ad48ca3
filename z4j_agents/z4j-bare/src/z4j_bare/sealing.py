"""The originals of tasks, sealed: what the brain keeps of them in the mode `seal`, and only a worker can open.

HPKE (RFC 9180, base mode: DHKEM-X25519, HKDF-SHA256, AES-256-GCM). A blob is bound to project, environment, engine,
task name and task id, so that it opens for that task and no other. Whoever has the public key could seal something, the
brain too: therefore a MAC is inside, by a key that is derived from the DSN's secret, and nothing of a blob is used
before that holds. Sizes are rounded up, so that they tell little.

    1 | id of the seal key (16) | length, id of the agent's key | HPKE(MAC (32) | length (4) | original | zeros)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from z4j_core.dsn import DSN
from z4j_core.enums import StrEnum
from z4j_core.sealed import KID, MAX_BLOB, Sealed, is_sealed

from z4j_bare.seal_keys import kid_of

SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
DOMAIN: Final = b"z4j/args/v1\0"
VERSION: Final = 1
BUCKET: Final = 256
MAC: Final = 32
LENGTH: Final = 4
#: Bytes of a blob besides its header and what is sealed: the encapsulated key and the tag.
_HPKE: Final = 32 + 16


class Why(StrEnum):
    """Why a blob was not opened: the `code` of a result, beside its sentence."""

    UNREADABLE = "seal_unreadable"
    NO_KEY = "seal_no_key"
    OTHER_AGENT = "seal_other_agent"
    ALTERED = "seal_altered"
    FORGED = "seal_forged"


_TEXT: Final = {
    Why.UNREADABLE: "What came as the sealed original of this task cannot be read.",
    Why.NO_KEY: "The sealed original of this task needs a key that is not among this worker's (Z4J_SEAL_KEY).",
    Why.OTHER_AGENT: "The sealed original of this task was made under another agent key than this worker's DSN has.",
    Why.ALTERED: "The sealed original does not open for this task: it was altered, or made for another one.",
    Why.FORGED: "The sealed original was not made by an agent of this key: nothing of it is used.",
}


class Unopened(Exception):
    """`hostile`: no honest brain hands out such a blob. Otherwise it may be opened elsewhere."""

    def __init__(self, code: Why) -> None:
        super().__init__(_TEXT[code])
        self.code = code
        self.hostile = code not in (Why.NO_KEY, Why.OTHER_AGENT)


class Place(NamedTuple):
    """What a blob is bound to."""

    project: str
    environment: str
    engine: str
    name: str
    task_id: str


def seal(to: X25519PublicKey, dsn: DSN, place: Place, original: bytes) -> Sealed | None:
    """None: it is too large to travel."""
    agent = dsn.kid.encode()
    header = bytes([VERSION]) + kid_of(to).encode() + bytes([len(agent)]) + agent
    info = _info(place, dsn.kid)
    body = len(original).to_bytes(LENGTH, "big") + original
    padded = body + bytes(-(MAC + len(body)) % BUCKET)
    if -(-(len(header) + _HPKE + MAC + len(padded)) // 3) * 4 > MAX_BLOB:
        return None
    sealed = SUITE.encrypt(_mac(dsn, info, original) + padded, to, info=info)
    return Sealed(kid=kid_of(to), blob=base64.b64encode(header + sealed).decode())


def unseal(keys: Sequence[X25519PrivateKey], dsns: Sequence[DSN], place: Place, sealed: Mapping[str, Any]) -> bytes:
    """The original. Raises Unopened."""
    kid, agent, ciphertext = _parts(sealed)
    key = next((one for one in keys if kid_of(one.public_key()) == kid), None)
    if key is None:
        raise Unopened(Why.NO_KEY)
    dsn = next((one for one in dsns if one.kid == agent), None)
    if dsn is None:
        raise Unopened(Why.OTHER_AGENT)
    info = _info(place, agent)
    try:
        opened = SUITE.decrypt(ciphertext, key, info=info)
    except (InvalidTag, ValueError) as error:
        raise Unopened(Why.ALTERED) from error
    start = MAC + LENGTH
    original = opened[start : start + int.from_bytes(opened[MAC:start], "big")]
    if not hmac.compare_digest(opened[:MAC], _mac(dsn, info, original)):
        raise Unopened(Why.FORGED)
    return original


def _parts(sealed: Mapping[str, Any]) -> tuple[str, str, bytes]:
    """The id of the seal key, that of the agent's key, and what is sealed."""
    try:
        if not is_sealed(sealed):
            raise ValueError
        raw = base64.b64decode(sealed["blob"], validate=True)
        end = 2 + KID + raw[1 + KID]
        kid, agent = raw[1 : 1 + KID].decode("ascii"), raw[2 + KID : end].decode("ascii")
        if raw[0] != VERSION or kid != sealed["kid"]:
            raise ValueError
    except (ValueError, IndexError) as error:
        raise Unopened(Why.UNREADABLE) from error
    return kid, agent, raw[end:]


def _info(place: Place, agent: str) -> bytes:
    """One byte string for one place, whatever its names hold; the header is bound by it, too."""
    return DOMAIN + json.dumps([*place, agent], separators=(",", ":"), ensure_ascii=True).encode()


def _mac(dsn: DSN, info: bytes, original: bytes) -> bytes:
    return hmac.digest(dsn.seal_key(), len(info).to_bytes(LENGTH, "big") + info + original, hashlib.sha256)

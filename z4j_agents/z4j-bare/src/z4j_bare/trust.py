"""Whose commands we obey: the action keys that the root pinned in the DSN has signed."""

from __future__ import annotations

import base64
import json
import logging
import time
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from z4j_core import wire
from z4j_core.dsn import fingerprint

from z4j_bare.transport import Transport, Unreachable

logger = logging.getLogger(__name__)

#: Seconds between two requests for keys because of an unknown key id.
ASK_EVERY: Final = 10.0


class Untrusted(Exception):
    """The signature does not prove that the brain pinned in the DSN said this."""


class Trust:
    def __init__(self, pin: str, transport: Transport) -> None:
        self._pin = pin
        self._transport = transport
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._ask_at = 0.0

    def body(self, signed: wire.Signed) -> bytes:
        """What was signed with one of the action keys. Raises Untrusted."""
        if signed["kid"] not in self._keys and time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + ASK_EVERY
            self.fetch()
        key = self._keys.get(signed["kid"])
        if key is None:
            raise Untrusted("The key that signed this command is not one the pinned root vouches for.")
        return _verified(key, wire.COMMAND_DOMAIN, signed)

    def check(self) -> None:
        """Ask for the keys in force and believe nothing. Raises Unreachable, Untrusted."""
        reply = self._transport.get(wire.KEYS_PATH)
        if reply.status != 200:
            raise Unreachable(str(reply.status))
        try:
            answer = json.loads(reply.body)
            if not isinstance(answer, dict) or not {"root", "statement"} <= answer.keys():
                raise Unreachable("no keys")
            self._vouched(answer)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Unreachable("keys that cannot be read") from error

    def fetch(self) -> None:
        """Ask for the keys in force. What is known stays when the answer cannot be trusted. Raises Unreachable."""
        reply = self._transport.get(wire.KEYS_PATH)
        if reply.status != 200:
            raise Unreachable(f"keys: {reply.status}")
        try:
            self._keys = self._vouched(json.loads(reply.body))
        except (Untrusted, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            logger.error("error=%s the brain's keys are not signed by the root pinned in the DSN", type(error).__name__)

    def _vouched(self, answer: Any) -> dict[str, Ed25519PublicKey]:
        root = base64.b64decode(answer["root"], validate=True)
        if fingerprint(root) != self._pin:
            raise Untrusted("The root is not the one pinned in the DSN.")
        statement = _verified(Ed25519PublicKey.from_public_bytes(root), wire.KEYS_DOMAIN, answer["statement"])
        action = json.loads(statement)["action"]
        return {str(kid): Ed25519PublicKey.from_public_bytes(base64.b64decode(key)) for kid, key in action.items()}


def _verified(key: Ed25519PublicKey, domain: bytes, signed: wire.Signed) -> bytes:
    body = base64.b64decode(signed["body"], validate=True)
    try:
        key.verify(base64.b64decode(signed["sig"], validate=True), domain + body)
    except InvalidSignature:
        raise Untrusted("The signature of this command is wrong.") from None
    return body

"""Whose commands we obey and whose log we believe: the keys that the root pinned in the DSN has signed."""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import Iterable
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from z4j_core import note, wire
from z4j_core.dsn import fingerprint
from z4j_core.note import BadNote, Checkpoint, Note

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
        self._log: list[bytes] = []
        self._ask_at = 0.0
        #: The recovery keys as the brain tells of them, in base64: whoever pins them keeps this text.
        self.recovery = ""
        #: What the brain answered last, for whoever has to prove which keys it had.
        self.said: Any = None

    def body(self, signed: wire.Signed) -> bytes:
        """What was signed with one of the action keys. Raises Untrusted."""
        if signed["kid"] not in self._keys:
            self._fetch_again()
        key = self._keys.get(signed["kid"])
        if key is None:
            raise Untrusted("The key that signed this command is not one the pinned root vouches for.")
        return _verified(key, wire.COMMAND_DOMAIN, signed)

    def checkpoint(self, text: str) -> Checkpoint:
        """What a note says that one of the log keys has signed. Raises Untrusted, Unreachable when keys are needed."""
        try:
            found = note.read(text)
        except BadNote as error:
            raise Untrusted(str(error)) from error
        if not _is_signed(found, found.checkpoint.origin, self._log):
            self._fetch_again()
        if not _is_signed(found, found.checkpoint.origin, self._log):
            raise Untrusted("No log key that the pinned root vouches for has signed this checkpoint.")
        return found.checkpoint

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
            answer = json.loads(reply.body)
            statement = self._vouched(answer)
            self._keys = {str(kid): Ed25519PublicKey.from_public_bytes(key) for kid, key in _raw(statement["action"])}
            self._log = [key for _, key in _raw(statement["log"])]
            self.recovery = " ".join(sorted(statement.get("recovery", {}).values()))
            self.said = answer
        except (Untrusted, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            logger.error("error=%s the brain's keys are not signed by the root pinned in the DSN", type(error).__name__)

    def _fetch_again(self) -> None:
        """There may be keys that we do not know yet. Raises Unreachable."""
        if time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + ASK_EVERY
            self.fetch()

    def _vouched(self, answer: Any) -> Any:
        """What the pinned root says of the keys in force."""
        root = base64.b64decode(answer["root"], validate=True)
        if fingerprint(root) != self._pin:
            raise Untrusted("The root is not the one pinned in the DSN.")
        return json.loads(_verified(Ed25519PublicKey.from_public_bytes(root), wire.KEYS_DOMAIN, answer["statement"]))


def is_recovered(text: str, recovery: str) -> bool:
    """Whether one of the recovery keys, as they were told of, has signed this note, in the name that is theirs."""
    found = note.read(text)
    name = f"{found.checkpoint.origin.rpartition('/')[0]}/recovery"
    return _is_signed(found, name, [base64.b64decode(key) for key in recovery.split()])


def _raw(keys: Any) -> list[tuple[str, bytes]]:
    return [(str(kid), base64.b64decode(key, validate=True)) for kid, key in keys.items()]


def _is_signed(found: Note, name: str, keys: Iterable[bytes]) -> bool:
    return any(note.is_signed(found, name, key, _checker(key)) for key in keys)


def _checker(key: bytes) -> note.Check:
    def check(signature: bytes, message: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    return check


def _verified(key: Ed25519PublicKey, domain: bytes, signed: wire.Signed) -> bytes:
    body = base64.b64decode(signed["body"], validate=True)
    try:
        key.verify(base64.b64decode(signed["sig"], validate=True), domain + body)
    except InvalidSignature:
        raise Untrusted("The signature of this command is wrong.") from None
    return body

"""The one-time key of a reveal: made in this process, and gone with it. Nothing else here needs `cryptography`."""

from __future__ import annotations

import base64

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from z4j_core import revealed

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class Key:
    """`to`: its public half, in base64."""

    def __init__(self) -> None:
        self._private = X25519PrivateKey.generate()
        self.to = base64.b64encode(self._private.public_key().public_bytes_raw()).decode()

    def open(self, blob: str, place: str, engine: str, task_id: str, command: str) -> bytes:
        """Raises ValueError for what is not sealed to this key, for this task and this request."""
        project, _, environment = place.partition("/")
        bound = revealed.info(project, environment, engine, task_id, command)
        try:
            return revealed.unpack(_SUITE.decrypt(base64.b64decode(blob, validate=True), self._private, info=bound))
        except InvalidTag as error:
            raise ValueError("It does not open.") from error

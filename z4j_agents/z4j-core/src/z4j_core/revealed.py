"""An original on its way to whoever asked to see it, through a brain that cannot read it: part of the wire.

Encrypted with HPKE (RFC 9180, base mode: DHKEM-X25519, HKDF-SHA256, AES-256-GCM) to a key that exists for this one
request, in the memory of the command line that asked. Sizes are rounded up, so that they tell little.
"""

from __future__ import annotations

import json
from typing import Final

#: What agents are asked for. It is no engine's verb: the agent does it by itself.
VERB: Final = "reveal"
#: The parameter with the one-time public key: 32 bytes in base64.
TO: Final = "to"
#: Bytes of an original that travels so.
MOST: Final = 64 * 1024
BUCKET: Final = 256
_LENGTH: Final = 4
#: Characters of what is revealed, in base64: the encapsulated key, the tag, the length, the original, what fills it up.
MAX_REVEALED: Final = -(-(32 + 16 + _LENGTH + MOST + BUCKET) // 3) * 4
_DOMAIN: Final = b"z4j/reveal/v1\0"


def info(project: str, environment: str, engine: str, task_id: str, command: str) -> bytes:
    """What it is bound to: one byte string for one place and one request, whatever the names hold."""
    place = [project, environment, engine, task_id, command]
    return _DOMAIN + json.dumps(place, separators=(",", ":"), ensure_ascii=True).encode()


def pack(original: bytes) -> bytes:
    body = len(original).to_bytes(_LENGTH, "big") + original
    return body + bytes(-len(body) % BUCKET)


def unpack(packed: bytes) -> bytes:
    """Raises ValueError."""
    size = int.from_bytes(packed[:_LENGTH], "big")
    if len(packed) < _LENGTH + size:
        raise ValueError("It is shorter than it says.")
    return packed[_LENGTH : _LENGTH + size]

"""The original of a task on its way through the brain, which cannot read it: part of the wire (see `z4j_core.wire`)."""

from __future__ import annotations

from typing import Final, TypedDict

#: Characters of the id of the key that something is sealed to: the first of that key's fingerprint.
KID: Final = 16
#: Characters of a blob: as of any string of an event.
MAX_BLOB: Final = 16 * 1024
#: Characters of the blobs that one command may carry; what is past that goes without.
MAX_BLOBS: Final = 384 * 1024


class Sealed(TypedDict):
    """Sealed to a key that only workers have: `kid` names that key, `blob` is base64. The brain keeps it as it comes
    and hands it back with a retry.
    """

    kid: str
    blob: str


def is_sealed(found: object) -> bool:
    """Is it of this form, and within its bounds?"""
    if not isinstance(found, dict) or found.keys() != {"kid", "blob"}:
        return False
    kid, blob = found["kid"], found["blob"]
    return isinstance(kid, str) and isinstance(blob, str) and 0 < len(kid) <= KID and 0 < len(blob) <= MAX_BLOB

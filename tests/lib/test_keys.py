from __future__ import annotations

import base64
import json
import stat

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from z4j_core import dsn, wire

from z4j_brain.lib.keys import KeyRing


def verify(public, domain, signed):
    body = base64.b64decode(signed["body"])
    Ed25519PublicKey.from_public_bytes(public).verify(base64.b64decode(signed["sig"]), domain + body)
    return json.loads(body)


def test_whoever_pins_the_root_can_check_a_command(tmp_path):
    ring = KeyRing.load(tmp_path)
    command = ring.sign_command(b'{"v":1}')

    assert dsn.fingerprint(ring.root) == ring.fingerprint
    keys = verify(ring.root, wire.KEYS_DOMAIN, ring.statement())
    action = base64.b64decode(keys["action"][command["kid"]])
    assert verify(action, wire.COMMAND_DOMAIN, command) == {"v": 1}
    assert keys["log"] and not set(keys["log"]) & set(keys["action"])


def test_the_keys_stay_and_belong_to_their_owner_alone(tmp_path):
    first = KeyRing.load(tmp_path)

    assert KeyRing.load(tmp_path).fingerprint == first.fingerprint
    files = list((tmp_path / "keys").iterdir())
    assert sorted(file.name for file in files) == ["action", "log", "root"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert len({file.read_bytes() for file in files}) == 3

from __future__ import annotations

import base64
import json
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from z4j_core import dsn, wire

from z4j_brain.lib.keys import KeyRing, Recovery


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
    assert sorted(file.name for file in files) == ["action", "log", "log.pub", "root"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert len({file.read_bytes() for file in files}) == 4


def test_a_process_that_does_not_sign_the_log_needs_its_public_half_alone(tmp_path):
    told = verify(KeyRing.load(tmp_path).root, wire.KEYS_DOMAIN, KeyRing.load(tmp_path).statement())
    (tmp_path / "keys" / "log").unlink()
    ring = KeyRing.load(tmp_path)

    assert verify(ring.root, wire.KEYS_DOMAIN, ring.statement())["log"] == told["log"]
    assert not (tmp_path / "keys" / "log").exists()


def test_of_a_recovery_key_the_private_half_is_said_once_and_never_kept(tmp_path):
    ring = KeyRing.load(tmp_path)
    assert "recovery" not in verify(ring.root, wire.KEYS_DOMAIN, ring.statement())
    text = ring.make_recovery()

    assert ring.make_recovery() == ""
    recovery = Recovery(text)
    vouched = verify(ring.root, wire.KEYS_DOMAIN, ring.statement())["recovery"]
    assert [base64.b64decode(key) for key in vouched.values()] == [recovery.public] == [ring.recovery_public]
    kept = b"".join(file.read_bytes() for file in (tmp_path / "keys").iterdir())
    assert bytes.fromhex(text.removeprefix("z4jr_")) not in kept
    assert Recovery(ring.make_recovery(anew=True)).public == ring.recovery_public != recovery.public


@pytest.mark.parametrize("text", ["", "z4jr_", "z4jr_" + "g" * 64, "a" * 63])
def test_what_is_no_recovery_key_is_said_to_be_none(text):
    with pytest.raises(ValueError, match="hexadecimal"):
        Recovery(text)

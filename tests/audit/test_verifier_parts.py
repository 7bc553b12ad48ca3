"""The verifier's own cryptography says what everybody else's says: it shares no code with them."""

from __future__ import annotations

import random

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from z4j_core import merkle, note

from z4j_brain.audit import verifier

#: RFC 8032, section 7.1: secret key, public key, message, signature.
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd"
        "25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c3"
        "87b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594"
        "a7c15e9716ed28dc027beceea1ec40a",
    ),
]
P, L = verifier.P, verifier.ORDER


def theirs(public, message, signature):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@pytest.mark.parametrize(("secret", "public", "message", "signature"), VECTORS)
def test_the_vectors_of_rfc_8032_hold(secret, public, message, signature):
    public, message, signature = (bytes.fromhex(text) for text in (public, message, signature))

    assert Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret)).sign(message) == signature
    assert verifier.is_signed(public, message, signature)
    assert not verifier.is_signed(public, message + b"x", signature)


def test_random_signatures_and_alterations_of_them_get_the_answer_of_the_library():
    for seed in range(60):
        chance = random.Random(seed)
        key = Ed25519PrivateKey.from_private_bytes(chance.randbytes(32))
        public, message = key.public_key().public_bytes_raw(), chance.randbytes(chance.randrange(200))
        signature = key.sign(message)
        assert verifier.is_signed(public, message, signature)
        parts = [bytearray(public), bytearray(message or b"x"), bytearray(signature)]
        part = chance.choice(parts)
        part[chance.randrange(len(part))] ^= 1 << chance.randrange(8)
        altered = [bytes(part) for part in parts]
        assert verifier.is_signed(*altered) == theirs(*altered) is False


def test_a_signature_has_one_form():
    key = Ed25519PrivateKey.generate()
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"x")
    s = int.from_bytes(signature[32:], "little")

    assert not verifier.is_signed(public, b"x", signature[:32] + (s + L).to_bytes(32, "little"))
    assert not verifier.is_signed(public, b"x", signature[:-1]) and not verifier.is_signed(
        public, b"x", signature + b"\0"
    )
    assert not verifier.is_signed(public[:-1], b"x", signature)


def small_order():
    """All encodings of points of small order, the canonical ones and the others."""
    two_torsion = [0, 1, P - 1]
    eighth = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
    ys = [*two_torsion, eighth, P - eighth, P, P + 1]
    return [(y | sign << 255).to_bytes(32, "little") for y in ys for sign in (0, 1)]


@pytest.mark.parametrize("public", small_order(), ids=lambda raw: raw.hex()[:8] + raw.hex()[-4:])
def test_no_key_of_small_order_signs_anything(public):
    assert verifier.point(public) is None
    for r in (b"\1" + bytes(31), public):
        assert not verifier.is_signed(public, b"x", r + bytes(32))


def test_a_point_is_written_in_one_way_only():
    found = 0
    for y in range(2, 19):  # y + P fits into 255 bits: the same point in another encoding
        if verifier.point(y.to_bytes(32, "little")):
            found += 1
            assert verifier.point((y + P).to_bytes(32, "little")) is None
    assert found


def test_trees_of_every_size_have_the_root_that_the_core_gives_them():
    leaves = [merkle.leaf_hash(bytes([n])) for n in range(70)]
    edge: list[bytes] = []
    assert verifier.root_of(edge) == merkle.EMPTY
    for size, leaf in enumerate(leaves):
        verifier.grow(edge, size, leaf)
        assert verifier.root_of(edge) == merkle.root(leaves[: size + 1])


def test_the_known_root_of_rfc_6962_comes_out():
    data = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    edge: list[bytes] = []
    for size, text in enumerate(data):
        verifier.grow(edge, size, merkle.leaf_hash(bytes.fromhex(text)))
    assert verifier.root_of(edge).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def test_notes_and_keys_of_the_core_are_read_as_they_were_written():
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    checkpoint = note.Checkpoint("brain.example/z4j/audit/1", 7, bytes(range(32)))
    text = note.sign(checkpoint, checkpoint.origin, public, key.sign)
    signed = note.cosign(text, "witness", other.public_key().public_bytes_raw(), other.sign)

    [read] = verifier.read_notes(signed, strict=True)
    assert (read.origin, read.size, read.root) == (checkpoint.origin, checkpoint.size, checkpoint.root)
    assert read.text.decode() == note.read(signed).text
    assert read.is_by([public]) and read.is_by([other.public_key().public_bytes_raw()])
    assert not read.is_by([Ed25519PrivateKey.generate().public_key().public_bytes_raw()])
    assert verifier.read_key(note.vkey(checkpoint.origin, public)) == (checkpoint.origin, public)
    for altered in (signed.replace("\n7\n", "\n8\n"), signed.replace("/1\n", "/2\n", 1)):
        assert not verifier.read_notes(altered, strict=True)[0].is_by([public])


@pytest.mark.parametrize("more", ["extension\n", "x"])
def test_a_file_of_checkpoints_holds_nothing_else(more):
    key = Ed25519PrivateKey.generate()
    signed = note.sign(note.Checkpoint("a", 1, bytes(32)), "a", key.public_key().public_bytes_raw(), key.sign)

    assert len(verifier.read_notes(f"{signed}\n{signed}", strict=True)) == 2
    with pytest.raises(ValueError):
        verifier.read_notes(signed + more, strict=True)

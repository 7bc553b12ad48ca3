"""Notes are read and written as the world's logs read and write them."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from z4j_core import note
from z4j_core.note import BadNote, Checkpoint

#: The example of the specification, which every implementation carries.
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
LINE = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
NAME, KEY = "logs.example.com/z4j/audit/1", bytes(range(32))
POINT = Checkpoint(NAME, 20852163, hashlib.sha256(b"root").digest())


def sign(key):
    return lambda message: hashlib.sha512(key + message).digest()


def check(key):
    return lambda signature, message: signature == hashlib.sha512(key + message).digest()


def signed(point=POINT):
    return note.sign(point, NAME, KEY, sign(KEY))


def test_the_golden_key_is_read_and_written():
    name, public = note.read_vkey(VKEY)
    assert name == "PeterNeumann" and note.key_hash(name, public).hex() == "c74f20a3"
    assert note.vkey(name, public) == VKEY


def test_the_golden_note_is_read_and_written():
    text, (signature,) = note.split(f"{TEXT}\n{LINE}")
    name, public = note.read_vkey(VKEY)
    assert text == TEXT and signature.name == name and signature.key_hash == note.key_hash(name, public)
    assert note.line(TEXT, name, public, lambda message: signature.signature) == LINE
    with pytest.raises(BadNote):
        note.read(f"{TEXT}\n{LINE}")


@pytest.mark.parametrize("start", range(0, len(VKEY), 7))
def test_a_mangled_key_is_none(start):
    for end in range(start, len(VKEY) + 1):
        if (start, end) != (0, len(VKEY)):
            with pytest.raises(BadNote):
                note.read_vkey(VKEY[start:end])


def test_a_checkpoint_that_was_signed_is_verified():
    text, (signature,) = note.split(signed())
    assert text == f"{NAME}\n20852163\n{base64.b64encode(POINT.root).decode()}\n"
    assert note.verified(signed(), NAME, KEY, check(KEY)) == POINT
    assert len(signature.signature) == 64


def test_signatures_of_others_are_kept_and_ignored():
    both = note.cosign(signed(), "witness.example.com", b"w" * 32, sign(b"w" * 32))
    assert [one.name for one in note.read(both).signatures] == [NAME, "witness.example.com"]
    assert note.verified(both, NAME, KEY, check(KEY)) == POINT
    assert note.verified(both, "witness.example.com", b"w" * 32, check(b"w" * 32)) == POINT


@pytest.mark.parametrize(("name", "key"), [("other", KEY), (NAME, b"k" * 32)])
def test_a_note_that_the_key_did_not_sign_is_refused(name, key):
    with pytest.raises(BadNote):
        note.verified(signed(), name, key, check(key))


@given(st.integers(0, len(signed()) - 1), st.characters())
def test_a_note_with_one_character_changed_is_never_another_checkpoint(place, character):
    changed = signed()[:place] + character + signed()[place + 1 :]
    try:
        assert note.verified(changed, NAME, KEY, check(KEY)) == POINT
        assert changed == signed()
    except BadNote:
        assert changed != signed()


@given(st.text())
def test_what_is_no_note_is_refused_as_such(text):
    with pytest.raises(BadNote):
        note.read(text)


@pytest.mark.parametrize(
    "bad",
    [
        signed().replace("20852163", "020852163"),
        signed().replace("20852163", "-1"),
        signed().replace("20852163", "9" * 20),
        signed().replace("\n\n", "\n"),
        signed()[:-1],
        signed() + "\n",
        signed().replace("\u2014 ", "- "),
        signed() * 2000,
    ],
)
def test_a_note_of_another_form_is_refused(bad):
    with pytest.raises(BadNote):
        note.read(bad)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b"])
def test_a_name_that_would_be_read_otherwise_signs_nothing(name):
    with pytest.raises(BadNote):
        note.sign(POINT, name, KEY, sign(KEY))

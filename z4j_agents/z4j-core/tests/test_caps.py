"""A secret that lies across a cap leaves neither whole nor in part, wherever it begins."""

from __future__ import annotations

import random

import pytest
from z4j_core import policy, walk, wire
from z4j_core.policy import Mode
from z4j_core.redaction import Redactor

#: So many characters of a secret in a row are a part of it.
PART = 6
#: Of the sweeps, by a step that is prime to the lengths of what is swept.
STEP = 7


def _random(length, alphabet="ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789", seed=5):
    chosen = random.Random(seed)  # noqa: S311 - the same in each run
    return "".join(chosen.choice(alphabet) for _ in range(length))


TOKEN = _random(40)
PEM_BODY = "\n".join(_random(64, seed=line) for line in range(40))
#: It does not look like one: only what stands around it gives it away.
LONG = _random(1500, "abcdefghijklmnopqrstuvwxyz", seed=9)
#: How each is written, and what of it must not be told.
FAMILIES = {
    "pair": (f"password={TOKEN}", TOKEN),
    "quoted": (f'"api_key": "{TOKEN}"', TOKEN),
    "url": (f"postgres://shop:{TOKEN}@db1/orders", TOKEN),
    "card": ("4111 1111 1111 1111", "4111 1111 1111 1111"),
    "jwt": (f"eyJhbGciOiJIUzI1NiJ9.{TOKEN}.{_random(43, seed=3)}", TOKEN),
    "long jwt": (f"eyJ{LONG}.{TOKEN}.{_random(43, seed=3)}", LONG),
    "pem": (f"-----BEGIN RSA PRIVATE KEY-----\n{PEM_BODY}\n-----END RSA PRIVATE KEY-----", PEM_BODY),
    "token": (f"ghp_{_random(36)}", _random(36)),
    "header": (f"Authorization: Bearer {LONG}", LONG),
    "element": (f"<password>{LONG}</password>", LONG),
    "shown pair": (f"('password', '{LONG}')", LONG),
    "row": (f"Duplicate entry '{LONG[:700]}' for key", LONG[:700]),
    "unique": (f"Key (email)=({LONG}) already exists.", LONG),
    "rule": ("CUS-123456-Quimby", "CUS-123456-Quimby"),
}
POLICY = policy.Policy(
    version="", mode="redact", default="redact", tasks=[], seal_key="",
    rules=[policy.Rule(id="customer", kind="text", match="CUS-######-@+", tasks="")],
)  # fmt: skip
REDACTOR = Redactor(Mode.REDACT, lambda: POLICY)


def parts(secret):
    plain = secret.replace("\n", "\\n")
    return {text[at : at + PART] for text in (secret, plain) for at in range(len(text) - PART + 1)} - {"\\n"}


def leaks(told, wanted):
    return next((told[at : at + PART] for at in range(len(told) - PART + 1) if told[at : at + PART] in wanted), None)


def filled(length):
    """So much text that says nothing."""
    return ("lorem ipsum, " * (length // 13 + 1))[:length]


def sweep(text, cap, step=STEP):
    """Texts in which it begins before, at and after a place, and ends beyond or just there."""
    for start in range(max(cap - len(text) - 10, 0), cap + 10, step):
        yield filled(start) + " " + text + " " + filled(30)
        yield filled(start) + " " + text + " " + filled(3000)


def told_by(say, text, secret, cap, step=STEP):
    wanted = parts(secret)
    return [(found, len(whole)) for whole in sweep(text, cap, step) if (found := leaks(say(whole), wanted))]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("cap", [wire.MAX_ARGUMENTS, wire.MAX_ARGUMENTS + walk.OVERLAP])
def test_no_part_of_it_is_told_of_a_text_that_is_cut(family, cap):
    text, secret = FAMILIES[family]
    step = 41 if len(text) > 500 else STEP
    for say in (lambda text: REDACTOR.value(text)[0], lambda text: REDACTOR.call(["x"], (text,), {})[0]):
        assert told_by(say, text, secret, cap, step) == []
    assert told_by(lambda text: REDACTOR.value(text.encode())[0], text, secret, cap, step) == []


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("cap", [wire.MAX_MESSAGE, wire.MAX_MESSAGE + walk.OVERLAP])
def test_no_part_of_it_is_told_of_a_message_or_a_running_text(family, cap):
    text, secret = FAMILIES[family]
    step = 41 if len(text) > 500 else STEP
    assert told_by(REDACTOR.text, text, secret, cap, step) == []
    assert told_by(lambda text: str(REDACTOR.error(ValueError(text))), text, secret, cap, step) == []
    assert told_by(lambda text: str(REDACTOR.error(ValueError(text, 7))), text, secret, cap, step) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_no_part_of_it_is_told_where_the_middle_of_a_traceback_is_cut(family, monkeypatch):
    monkeypatch.setattr("z4j_core.redaction.telling.MAX_TRACEBACK", 1200)
    text, secret = FAMILIES[family]

    def say(whole):
        error = ValueError(whole)
        error.__cause__ = KeyError(whole)
        return str(REDACTOR.error(error))

    for cap in (598, 1200):
        assert told_by(say, text, secret, cap, 41 if len(text) > 500 else STEP) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_no_part_of_it_is_told_past_the_text_that_is_searched(family):
    text, secret = FAMILIES[family]
    wanted = parts(secret)
    for before in range(walk.MAX_SCANNED - len(text) - 10, walk.MAX_SCANNED + 10, 31):
        told = REDACTOR.value([filled(before // 16)] * 16 + [text, {"note": text}, text.encode()], 1 << 20)[0]
        assert not leaks(told, wanted)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_part_of_it_is_told_at_the_ends_of_keys_nodes_and_depth(family):
    text, secret = FAMILIES[family]
    wanted = parts(secret)
    for length in [*range(0, 80), *range(100, 140), *range(230, 270)]:
        for mode in Mode:
            redactor = Redactor(mode, lambda: POLICY)
            told = redactor.value({filled(length) + " " + text: 1, "k": {text[:60]: filled(length)}})[0]
            assert not leaks(told, wanted), (mode, length)
    for nodes in (walk.MAX_NODES - 3, walk.MAX_NODES - 2, walk.MAX_NODES - 1, walk.MAX_NODES, walk.MAX_NODES + 1):
        told = REDACTOR.value([0] * nodes + [text, {"password": text}, {text: text}], 1 << 20)[0]
        assert not leaks(told, wanted), nodes
    for depth in range(walk.MAX_DEPTH - 3, walk.MAX_DEPTH + 3):
        value = {"a": text, text: 1}
        for _ in range(depth):
            value = [value]
        assert not leaks(REDACTOR.value(value)[0], wanted), depth


def test_a_name_of_any_length_hides_its_value():
    value = TOKEN[:12]
    for length in (*range(40, 80), *range(110, 140), *range(240, 270), 500, 2000):
        name = "x" * length + "_password"
        assert value not in REDACTOR.value({name: value})[0], length
        assert value not in REDACTOR.text(f"{name}={value}"), length
        assert value not in REDACTOR.call([name], (value,), {})[0], length


def test_a_cut_leaves_no_half_of_a_mark():
    """Whoever redacts what was told once more finds nothing that is left to hide."""
    for extra in range(40):
        told = REDACTOR.text(filled(wire.MAX_MESSAGE - 60 + extra) + " password=hunter22 " + filled(500))
        assert REDACTOR.text(told) == told, extra

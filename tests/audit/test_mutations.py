"""Whatever is altered in an export, the verifier never says verified of something that means something else."""

from __future__ import annotations

import json
import os
import random
import re
import zipfile
from functools import cache

import pytest

from tests.audit.written import Parts, Written, parts_of, zipped
from z4j_brain.audit.verifier import VERIFIED, verify

SOAK = bool(os.environ.get("Z4J_SOAK"))
TRIES = 20_000 if SOAK else 2_000
BATCHES = 8
#: Parts of which the verifier says nothing but when, by this brain's own word: no verdict hangs on them.
TIMES = "times.jsonl"


@cache
def original() -> tuple[Written, str, Parts]:
    """A small log with everything: a request and its result, an erasure, entries that were pruned."""
    log = Written()
    names = [log.append() for _ in range(3)]
    held = log.seal()
    request = log.append("request")
    log.append("dispatch", parent=request)
    log.append("result", parent=request)
    log.erase(names[2])
    log.prune(2)
    log.append()
    log.seal()
    return log, held, parts_of(log)


def meaning(parts: Parts) -> object:
    """What an export says, in whatever bytes: entries, personal parts, leaves, and checkpoints by size and root."""
    try:
        said: dict[str, object] = {}
        for name, part in parts.items():
            if name.endswith(".jsonl") and TIMES not in name:
                said[name] = [json.loads(line) for line in part.splitlines()]
            elif name.endswith("checkpoints.txt"):
                said[name] = heads(part)
            elif name == "manifest.json":
                said[name] = {key: json.loads(part)[key] for key in ("format", "filter", "personal")}
            elif TIMES not in name:
                said[name] = part.strip()
    except (ValueError, KeyError, TypeError):
        return None
    return said


def flip(part: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(part))
    return part[:at] + bytes([part[at] ^ 1 << chance.randrange(8)]) + part[at + 1 :]


def swap_lines(part: bytes, chance: random.Random) -> bytes:
    lines = part.splitlines(keepends=True)
    if len(lines) > 1:
        first, second = chance.sample(range(len(lines)), 2)
        lines[first], lines[second] = lines[second], lines[first]
    return b"".join(lines)


def drop_line(part: bytes, chance: random.Random) -> bytes:
    lines = part.splitlines(keepends=True)
    del lines[chance.randrange(len(lines))]
    return b"".join(lines)


def repeat_line(part: bytes, chance: random.Random) -> bytes:
    lines = part.splitlines(keepends=True)
    at = chance.randrange(len(lines))
    return b"".join([*lines[:at], lines[at], *lines[at:]])


def cut(part: bytes, chance: random.Random) -> bytes:
    return part[: chance.randrange(len(part))]


def change_digit(part: bytes, chance: random.Random) -> bytes:
    places = [at for at, byte in enumerate(part) if chr(byte).isdigit()]
    if not places:
        return flip(part, chance)
    at = chance.choice(places)
    return part[:at] + str(chance.randrange(10)).encode() + part[at + 1 :]


def swap_leaves(part: bytes, chance: random.Random) -> bytes:
    leaves = [part[at : at + 32] for at in range(0, len(part), 32)]
    chance.shuffle(leaves)
    return b"".join(leaves)


MUTATIONS = (flip, flip, flip, swap_lines, drop_line, repeat_line, cut, change_digit, swap_leaves)


def mutated(parts: Parts, chance: random.Random) -> Parts:
    name = chance.choice([name for name in parts if parts[name]])
    if chance.random() < 0.05:
        return {other: part for other, part in parts.items() if other != name}
    return parts | {name: chance.choice(MUTATIONS)(parts[name], chance)}


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_alteration_is_verified(batch):
    """Half of them with a manifest that fits what was altered, as whoever alters it on purpose would write."""
    log, held, parts = original()
    chance, same = random.Random(batch), meaning(parts)
    assert verify(zipped(parts), [log.vkey], [held]).code == VERIFIED
    for _ in range(TRIES // BATCHES):
        altered = mutated(parts, chance)
        if chance.random() < 0.2:
            altered = mutated(altered, chance)
        if altered == parts or meaning(altered) == same:
            continue
        try:
            file = zipped(altered, told=None if chance.random() < 0.7 else parts)
        except ValueError:  # the manifest itself is no JSON any more
            continue
        report = verify(file, [log.vkey], [held])
        assert report.code not in (0, 10) or only_said_less(altered, parts), (report.code, report.findings)


def only_said_less(altered: Parts, parts: Parts) -> bool:
    """Something was left out that an export may leave out and the verdict tells: a checkpoint that was not the last.

    And of the manifest, whether personal parts were left out: what is there is still checked.
    """
    told = [name for name in parts if altered.get(name) != parts[name]]
    notes, folder = "generation-1/checkpoints.txt", "generation-1/"
    for name in told:
        if name == notes and heads(altered[notes]) <= heads(parts[notes]):
            continue
        if name == folder + TIMES:
            continue
        return False
    return True


def heads(notes: bytes) -> set[tuple[str, ...]]:
    """Origin, size and root of each checkpoint."""
    return set(re.findall("([^\n]+)\n([0-9]+)\n([^\n]{44})\n", notes.decode()))


@pytest.mark.parametrize("batch", range(2))
def test_no_flipped_bit_of_the_archive_itself_is_verified(batch):
    log, held, parts = original()
    whole = zipped(parts).getvalue()
    with zipfile.ZipFile(zipped(parts)) as archive:
        told = {info.filename: archive.read(info) for info in archive.infolist()}
    chance = random.Random(batch)
    for _ in range(TRIES // 20):
        file = zipped(parts)
        file.write(flip(whole, chance))
        file.seek(0)
        report = verify(file, [log.vkey], [held])
        if report.code == VERIFIED:  # a date, say: what it holds is what it held
            with zipfile.ZipFile(file) as archive:
                assert {info.filename: archive.read(info) for info in archive.infolist()} == told

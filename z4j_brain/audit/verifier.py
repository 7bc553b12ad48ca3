"""Verify an export of z4j's audit log: alone, offline, with nothing but Python's standard library and your own key.

    python z4j_audit_verify.py EXPORT --key PUB [--checkpoint FILE ...] [--origin X] [--recovery PUB] [--json]

EXPORT is what `z4j audit export` wrote. PUB is the log's public key, had from elsewhere, or a file that holds it. FILE
holds checkpoints that you kept: an agent's, an anchor's, yours. Exit codes: 0 verified against a checkpoint from
outside; 10 self-consistent only; 20 incomplete or unreadable; 30 diverged: rolled back or forked against a checkpoint
you hold; 40 invalid: edited, inserted, deleted, badly signed. The worst finding decides.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

VERIFIED, SELF_CONSISTENT, INCOMPLETE, DIVERGED, INVALID = 0, 10, 20, 30, 40
VERDICTS = {
    VERIFIED: "VERIFIED: nothing in it was altered, and it continues the checkpoints you hold",
    SELF_CONSISTENT: "SELF-CONSISTENT ONLY: nothing in it is altered, but a whole other log would look the same",
    INCOMPLETE: "INCOMPLETE: it cannot be read, or lacks what a verdict needs",
    DIVERGED: "DIVERGED: this is not the log that signed the checkpoints you hold",
    INVALID: "INVALID: it was altered",
}
SLACK = 60_000_000  # clocks and long transactions differ by less than a minute, in microseconds
LINE = 64 * 1024 * 1024
COMMITMENT = b"z4j/audit/private/v1\0"
File = str | IO[bytes]
Texts = Sequence[str]
At = tuple[int, int]  # where an entry stands: generation and index
PLACE = (("project", "project"), ("environment", "env"))  # in the filter of an export, and in the body of an entry

# Ed25519, as in RFC 8032, for verification only: points in extended coordinates on -x^2 + y^2 = 1 + d x^2 y^2.
P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]
ZERO: Point = (0, 1, 1, 0)


def add(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def point(raw: bytes) -> Point | None:
    """The point that these 32 bytes name; None for what is no point, is written otherwise, or has a small order."""
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * ROOT_OF_MINUS_ONE % P
    if len(raw) != 32 or y >= P or x * x % P != square or (x == 0 and sign):
        return None
    x = x if x & 1 == sign else P - x
    found = eight = (x, y, 1, x * y % P)
    for _ in range(3):
        eight = add(eight, eight)
    return None if eight[0] == 0 else found


BASE = point((4 * pow(5, -1, P) % P).to_bytes(32, "little")) or ZERO


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Does the key's owner say this? Stricter than many: one encoding of each signature, no key of small order."""
    key, r, s = point(public), point(signature[:32]), int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or key is None or r is None or s >= ORDER:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    minus = (P - key[0], key[1], key[2], P - key[3])
    table, total = (ZERO, BASE, minus, add(BASE, minus)), ZERO
    for bit in range(252, -1, -1):  # s B - h A, both at once
        total = add(add(total, total), table[(s >> bit & 1) + 2 * (h >> bit & 1)])
    return (total[0] - r[0] * total[2]) % P == 0 and (total[1] - r[1] * total[2]) % P == 0


def grow(edge: list[bytes], size: int, leaf: bytes) -> None:
    """One leaf more for a tree of RFC 6962 that has this size, and of which only the right edge is kept."""
    while size & 1:
        leaf, size = hashlib.sha256(b"\1" + edge.pop() + leaf).digest(), size >> 1
    edge.append(leaf)


def root_of(edge: list[bytes]) -> bytes:
    node = edge[-1] if edge else hashlib.sha256().digest()
    for left in edge[-2::-1]:
        node = hashlib.sha256(b"\1" + left + node).digest()
    return node


def unbase64(text: str) -> bytes:
    """What this text says in base64, written as everybody writes it: one text for each value."""
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        raise ValueError(f"{text[:40]!r} is base64 with something left over.")
    return raw


NOTE = re.compile("(([^\n]+)\n(0|[1-9][0-9]{0,17})\n([A-Za-z0-9+/]{43}=)\n)\n((?:\u2014 [^ \n]+ [^ \n]+\n)+)")
SIGNATURE = re.compile("\u2014 ([^ \n]+) ([^ \n]+)\n")
GENERATION = re.compile("/[1-9][0-9]{0,3}$")


class Note(NamedTuple):
    """A checkpoint as C2SP writes it: what was signed, and by whom."""

    text: bytes
    origin: str
    size: int
    root: bytes
    signatures: list[tuple[str, str]]

    def is_by(self, keys: list[bytes]) -> bool:
        """Does one of these keys sign it, and is no signature false that claims to be of one?"""
        read = [(name, unbase64(raw)) for name, raw in self.signatures]
        claims = [(key, raw[4:]) for key in keys for name, raw in read if raw[:4] == key_hash(name, key)]
        return bool(claims) and all(is_signed(key, self.text, raw) for key, raw in claims)


def read_notes(text: str, *, strict: bool) -> list[Note]:
    """The notes of a file. In the export's nothing else may stand; in yours whatever else there is does not matter."""
    if strict and NOTE.sub("", text).strip("\n"):
        raise ValueError("checkpoints.txt holds something that is no checkpoint.")
    return [
        Note(found[1].encode(), found[2], int(found[3]), unbase64(found[4]), SIGNATURE.findall(found[5]))
        for found in NOTE.finditer(text)
    ]


def key_hash(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n\1" + public).digest()[:4]


def read_key(text: str) -> tuple[str, bytes]:
    """A key's name (if it has one) and its 32 bytes: of `name+hash+base64`, base64 or hex, or of a file with that."""
    text = (Path(text).read_text() if Path(text).is_file() else text).strip()
    name, hashed, rest = text.split("+", 2) if re.match(r"[^+]+\+[0-9a-f]{8}\+", text) else ("", "", text)
    raw = bytes.fromhex(rest) if re.fullmatch("[0-9a-fA-F]{64}", rest) else unbase64(rest)
    if name and raw[:1] == b"\1" and key_hash(name, raw[1:]).hex() == hashed:
        raw = raw[1:]
    if len(raw) != 32:
        raise ValueError(f"{text!r} is no Ed25519 key, or its parts do not fit each other.")
    return name, raw


class Export:
    """The parts of an export, as they are: only that they are what the manifest lists is checked here."""

    def __init__(self, file: File) -> None:
        self.zip = zipfile.ZipFile(file)
        self.names = sorted(self.zip.namelist())
        self.manifest = next(self.lines("manifest.json"), {})
        if self.manifest.get("format") != 1:
            raise ValueError("It is no export, or of a format that this verifier does not know.")
        if sorted([*self.manifest["parts"], "manifest.json"]) != self.names:
            raise ValueError("A part of the export is missing, or there is one too many.")
        for name, claimed in self.manifest["parts"].items():
            with self.zip.open(name) as part:
                if hashlib.file_digest(part, "sha256").hexdigest() != claimed:  # type: ignore[arg-type]
                    raise ValueError(f"{name} is not what the manifest says: it was damaged, or changed.")

    def lines(self, name: str, *, numbered: bool = False) -> Iterator[dict[str, Any]]:
        """The objects of a part that has one in each line; none if the export has no such part."""
        last = -1
        with self.zip.open(name) if name in self.names else io.BytesIO() as part:
            while line := part.readline(LINE):
                row: dict[str, Any] = json.loads(line)
                if numbered and (type(row["index"]) is not int or row["index"] <= last):
                    raise ValueError(f"{name} is not in the order of the log.")
                last = row.get("index", last)
                yield row


class Report:
    """What is found while an export is read once, from its first entry to its last."""

    def __init__(self) -> None:
        self.findings, self.generations = list[dict[str, Any]](), list[dict[str, Any]]()
        self.here: dict[str, Any] = {"generation": 0}
        self.keys, self.recovery = list[bytes](), list[bytes]()
        self.is_ours, self.partial, self.without_personal, self.unsealed = False, dict[str, str](), False, 0
        self.seen, self.missing, self.begun = dict[str, At](), dict[str, At](), dict[str, At]()
        self.erased, self.settled, self.pruned = set[str](), set[str](), dict[int, int]()
        self.times, self.latest, self.odd = list[tuple[int, int]](), 0, list[int]()
        self.head = {"generation": 1, "size": 0, "root": hashlib.sha256().hexdigest()}

    @property
    def code(self) -> int:
        least = VERIFIED if self.is_ours and any(here["held"] for here in self.generations) else SELF_CONSISTENT
        return int(max([least, *(finding["level"] for finding in self.findings)]))

    def find(self, level: int, text: str, index: int | None = None, generation: int = 0) -> None:
        here = generation or self.here["generation"]
        self.findings.append({"level": level, "text": text, "generation": here, "index": index})

    def read(self, export: Export, name: str, held: list[Note]) -> None:
        self.partial, self.without_personal = export.manifest["filter"], export.manifest["personal"] is False
        numbers = sorted(int(part[11:-11]) for part in export.names if part.endswith("/origin.txt"))
        origins = [export.zip.read(f"generation-{number}/origin.txt").decode().strip() for number in numbers]
        logs = {GENERATION.sub("", origin) for origin in origins}
        if GENERATION.sub("", name or origins[0]) not in logs:
            raise ValueError(f"this is an export of {', '.join(logs)}, not of {name}")
        mine: dict[str, list[Note]] = {}
        for note in held:
            mine.setdefault(note.origin if (signed := note.is_by(self.keys)) else "", []).append(note)
            if GENERATION.sub("", note.origin) not in logs:
                self.find(VERIFIED, f"A checkpoint that you hold is of another log, {note.origin}: it was ignored.")
            elif not signed:
                level = INCOMPLETE if self.is_ours else DIVERGED
                self.find(level, f"The checkpoint of size {note.size} that you hold is not signed by the log's key.")
            elif note.origin not in origins:
                self.find(DIVERGED, f"ROLLBACK: you hold a checkpoint of {note.origin}, which is not in it.")
        for number, origin in zip(numbers, origins, strict=True):
            self.generation(export, number, origin, mine.get(origin, []))
        self.finish(export)

    def generation(self, export: Export, number: int, origin: str, held: list[Note]) -> None:
        """One tree, from its first leaf to its newest checkpoint."""
        folder = f"generation-{number}/"
        notes = read_notes(export.zip.read(folder + "checkpoints.txt").decode(), strict=True)
        first, last = min(notes, key=lambda note: note.size), max(notes, key=lambda note: note.size)
        self.here = here = {"generation": number, "origin": origin, "size": last.size, "root": "", "held": []}
        here |= {"checkpoints": len(notes), "entries": 0, "left_out": 0, "pruned": 0, "erased": 0, "gaps": []}
        self.generations.append(here)
        for note in notes:
            if not note.origin == origin.rpartition("/")[0] + f"/{number}" == origin or not note.is_by(self.keys):
                self.find(INVALID, f"The checkpoint of size {note.size} is not signed by the log's key.")
        if number > 1 and not first.is_by(self.recovery):
            level = INVALID if self.recovery else VERIFIED
            self.find(level, "Nobody whose recovery key you gave (--recovery) signed that it begins here.")
        self.times = sorted((row["size"], row["ts"]) for row in export.lines(folder + "times.jsonl"))
        self.latest, self.odd = 0, []
        self.walk(export, folder, [(note, False) for note in notes] + [(note, True) for note in held])
        if odd := self.odd:
            self.find(VERIFIED, f"{len(odd)} entries have times that do not fit: a clock was moved.", odd[0])

    def walk(self, export: Export, folder: str, marks: list[tuple[Note, bool]]) -> None:
        """Every leaf with what there is of its entry; at each size that a checkpoint names, its root is compared."""
        edge, size, sound, here = list[bytes](), 0, 0, self.here
        parts = [export.lines(folder + name, numbered=True) for name in ("entries.jsonl", "private.jsonl")]
        told = [next(part, None) for part in parts]
        marks.sort(key=lambda mark: -mark[0].size)
        with export.zip.open(folder + "tiles/leaves") as leaves:
            while True:
                while marks and marks[-1][0].size == size:
                    sound = self.compare(root_of(edge), *marks.pop(), sound)
                if not (leaf := leaves.read(32)):
                    break
                found = [row if row and row["index"] == size else None for row in told]
                told = [next(part, None) if row else kept for part, row, kept in zip(parts, found, told, strict=True)]
                self.entry(size, leaf, *found)
                grow(edge, size, leaf)
                size += 1
        here["root"] = base64.b64encode(root_of(edge)).decode()
        self.head = {"generation": here["generation"], "size": size, "root": root_of(edge).hex()}
        if size != here["size"] or told != [None, None]:
            self.find(INVALID, f"{size} leaves, {here['size']} in its last checkpoint: cut off, or put in.", size)
        for note in (note for note, is_held in marks if is_held):
            self.find(DIVERGED, f"ROLLBACK: you hold a checkpoint of size {note.size}, and it has {size} entries.")

    def compare(self, root: bytes, note: Note, is_held: bool, sound: int) -> int:
        """Hold a checkpoint against the leaves so far; up to where they are sound. `sound`: up to where they were."""
        if note.root != root:
            text = "FORK: the checkpoint that you hold of this size has another root."
            text = text if is_held else f"Entries {sound} to here are not all those that were sealed."
            self.find(DIVERGED if is_held else INVALID, text, note.size)
            return sound
        self.here["held"] += [note.size] if is_held and note.size else []
        return note.size

    def entry(self, index: int, leaf: bytes, told: dict[str, Any] | None, kept: dict[str, Any] | None) -> None:
        """One leaf: is its entry the one that was sealed, and what does that say about itself and about others?"""
        if told is None:
            if not (gaps := self.here["gaps"]) or gaps[-1][1] != index:
                gaps.append([index, index])
            gaps[-1][1] += 1
            return self.find(INVALID, "There is a private part without its entry.", index) if kept else None
        self.here["entries"] += 1
        raw = unbase64(told["body"])
        if hashlib.sha256(b"\0" + raw).digest() != leaf:
            return self.find(INVALID, "This is not the entry that was sealed: it was edited or replaced.", index)
        body, at = json.loads(raw), (self.here["generation"], index)
        name, phase = body["id"].replace("-", ""), body["phase"]
        if told.get("differs"):
            self.find(INVALID, f"Its copies for searching were edited: {', '.join(told['differs'])}.", index)
        if self.seen.setdefault(name, at) != at:
            self.find(INVALID, f"The entry {name} stands in the log twice.", index)
        if at[0] > 1 and not index and body["found"] != self.head:
            self.find(INVALID, f"It continues {body['found']}, which is not what stands before it.", index)
        self.clock(body["ts"], index)
        self.gone(name, phase, body, at)
        if kept:
            private = bytes.fromhex(name) + unbase64(kept["salt"]) + unbase64(kept["payload"])
            if hashlib.sha256(COMMITMENT + private).hexdigest() != body["c"]:
                self.find(INVALID, "Its private part (who, where from, why, with what) was edited.", index)
        elif not self.without_personal and all(self.partial.get(key, body[of]) == body[of] for key, of in PLACE):
            self.missing[name] = at

    def gone(self, name: str, phase: str, body: dict[str, Any], at: At) -> None:
        """What began and ended; and what a sealed entry says is gone: that was sealed before, and stands before it."""
        if phase == "dispatch" or body.get("entries") or "below" in body:
            self.begun.setdefault(body["parent"].replace("-", "") if phase == "dispatch" else name, at)
        elif phase == "result":
            self.settled.add(body["parent"].replace("-", ""))
        if phase == "erasure":
            self.erased |= {other for other in body.get("entries", ()) if self.seen.get(other, at) < at}
        elif phase == "prune" and "below" in body and (body["generation"], body["below"]) <= at:
            self.pruned[body["generation"]] = max(body["below"], self.pruned.get(body["generation"], 0))

    def clock(self, ts: int, index: int) -> None:
        while self.times and self.times[0][0] <= index:
            self.latest = max(self.latest, self.times.pop(0)[1])
        sealed = self.times[0][1] if self.times else ts
        if ts < self.latest - SLACK or ts > sealed + SLACK:
            self.odd.append(index)
        self.latest = max(self.latest, min(ts, sealed))

    def finish(self, export: Export) -> None:
        """What can only be said once all is read."""
        for name, (number, index) in self.missing.items():
            here = next(here for here in self.generations if here["generation"] == number)
            here["erased"] += name in self.erased
            if name not in self.erased:
                self.find(INVALID, "Its private part is gone, and no sealed entry erased it.", index, number)
        for here in self.generations:
            for begin, end in here.pop("gaps"):
                below = min(max(self.pruned.get(here["generation"], 0), begin), end)
                here["pruned"] += below - begin
                here["left_out"] += end - below if self.partial else 0
                if below < end and not self.partial:
                    self.find(INVALID, f"{end - below} entries from here on were deleted.", below, here["generation"])
        for name in self.begun.keys() - self.settled:
            self.find(VERIFIED, "It began what has no result in the log.", self.begun[name][1], self.begun[name][0])
        for row in export.lines("unsealed.jsonl"):
            self.unsealed += 1
            if row["queued"] is not True:
                self.find(INVALID, f"The entry {row['id']} stands beside the log and was never sealed: it was put in.")


def verify(file: File, keys: list[str], held: Sequence[str | Path], origin: str = "", recovery: Texts = ()) -> Report:
    """Read an export and find what can be found. `keys`: as `read_key` has them; `held`: what checkpoints are in."""
    report = Report()
    try:
        export = Export(file)
        named = [read_key(key) for key in keys or export.manifest["keys"]]
        report.is_ours, report.keys = bool(keys), [key for _, key in named]
        report.recovery = [read_key(key)[1] for key in recovery]
        name = origin or next((name for name, _ in named if name), "")
        texts = [one.read_text(errors="replace") if isinstance(one, Path) else one for one in held]
        report.read(export, name, [note for text in texts for note in read_notes(text, strict=False)])
    except Exception as error:  # whatever it stumbles over: this is no export as it should be
        report.find(INCOMPLETE, f"It cannot be read as an export of this log: {type(error).__name__}: {error}")
    return report


def sentences(report: Report) -> Iterator[str]:
    yield f"{VERDICTS[report.code]} (exit code {report.code})"
    for here in report.generations:
        yield "{origin}: {size} sealed, {entries} of them here, {left_out} left out, {pruned} pruned;".format(**here)
        yield "  {erased} without their erased private part; {checkpoints} checkpoints; root {root}".format(**here)
        yield f"  Checkpoints you hold vouch for the first {max(here['held'], default=0)}, the key alone for others."
    yield f"{report.unsealed} more were not sealed yet: nothing is said of them."
    yield "Personal parts were left out: nothing is said of them." * report.without_personal
    yield "The key came from the export: whoever made that could have chosen any." * (not report.is_ours)
    for finding in sorted(report.findings, key=lambda finding: -finding["level"]):
        place = "" if finding["index"] is None else f", entry {finding['index']}"
        yield f"[{finding['level']}] generation {finding['generation']}{place}: {finding['text']}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", help="the zip file")
    parser.add_argument("--key", action="append", default=[], help="the log's public key or a file with it; repeatable")
    parser.add_argument("--checkpoint", action="append", default=[], type=Path, help="a file with checkpoints you hold")
    parser.add_argument("--origin", default="", help="the log it should be of, as its checkpoints name it")
    parser.add_argument("--recovery", action="append", default=[], help="a public key that may begin a generation")
    parser.add_argument("--json", action="store_true", help="one object with everything")
    chosen = parser.parse_args(arguments)
    report = verify(chosen.export, chosen.key, chosen.checkpoint, chosen.origin, chosen.recovery)
    told = {"exit": report.code, "generations": report.generations, "findings": report.findings}
    lines = [json.dumps(told | {"unsealed": report.unsealed})] if chosen.json else sentences(report)
    sys.stdout.writelines(f"{line}\n" for line in lines if line)
    return report.code


if __name__ == "__main__":
    sys.exit(main())

"""The log as a file that proves itself: see `verifier.py`, which reads it and shares no code with this.

A zip archive: `manifest.json` (what it is, and the SHA-256 of each part), `unsealed.jsonl`, `anchors/anchors.jsonl`,
and for each generation a folder with `origin.txt`, `entries.jsonl` (index and body, in base64), `private.jsonl` (what
may be erased), `checkpoints.txt`, `times.jsonl` (when each was signed, as this brain says) and `tiles/leaves` (the
hashes of all leaves). It is written in one go, in bounded memory, while the log goes on.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any, cast
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from z4j_brain.audit import actions, parts
from z4j_brain.ledger import entries
from z4j_brain.ledger.models import Entry, Leaf
from z4j_brain.ledger.states import REMOVING, Outcome, Phase
from z4j_brain.lib.bulk import micros
from z4j_brain.rbac.access import Instance
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment, Project

FORMAT = 1

Place = Instance | Project | Environment


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: all, unless something is named. `personal`: with what may be erased."""

    project: str = ""
    environment: str = ""
    since: datetime | None = None
    until: datetime | None = None
    personal: bool = True

    @classmethod
    def of(
        cls, place: Place, *, since: datetime | None = None, until: datetime | None = None, personal: bool = True
    ) -> Wanted:
        project = place.project if isinstance(place, Environment) else place if isinstance(place, Project) else None
        environment = place.slug if isinstance(place, Environment) else ""
        return cls(project.slug if project else "", environment, since, until, personal)

    @property
    def told(self) -> dict[str, str]:
        """What narrows it, for the manifest and the ledger."""
        named = {"project": self.project, "environment": self.environment}
        dates = {"since": self.since, "until": self.until}
        told = {name: text for name, text in named.items() if text}
        return told | {name: date.isoformat() for name, date in dates.items() if date}

    @property
    def where(self) -> Q:
        """The same, to ask the database for."""
        asked = {"project": self.project, "environment": self.environment, "ts__gte": self.since, "ts__lt": self.until}
        return Q(**{name: value for name, value in asked.items() if value})

    @property
    def place(self) -> Q:
        return Q(**{name: text for name in ("project", "environment") if (text := getattr(self, name))})

    def is_of(self, entry: Entry) -> bool:
        """Is it of the place that was asked for? Nothing personal of another one leaves."""
        return self.project in ("", entry.project) and self.environment in ("", entry.environment)

    def takes(self, entry: Entry) -> bool:
        return (
            self.is_of(entry)
            and (self.since is None or entry.ts >= self.since)
            and (self.until is None or entry.ts < self.until)
        )


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was written: how many entries, how many bytes, and their SHA-256."""

    rows: int
    size: int
    sha256: str


def take_out(place: Place, wanted: Wanted, file: IO[bytes], *, actor: Actor, reason: str = "") -> Receipt:
    """Export for somebody: the ledger says first who takes what, and then what it was. Raises `Refused`."""
    request = actions.export(place, wanted.told | {"personal": wanted.personal}, actor=actor, reason=reason)
    receipt = None
    try:
        receipt = write(file, wanted)
        return receipt
    finally:
        with transaction.atomic():
            entries.append(
                phase=Phase.RESULT,
                action="audit.export",
                actor=actor,
                outcome=Outcome.SUCCEEDED if receipt else Outcome.FAILED,
                project=wanted.project,
                environment=wanted.environment,
                target=("log", ""),
                params={"rows": receipt.rows, "size": receipt.size, "sha256": receipt.sha256} if receipt else {},
                parent=request,
            )


def write(file: IO[bytes], wanted: Wanted, *, below: tuple[int, int] | None = None) -> Receipt:
    """Write an export. `below`: only entries of this generation before this index (what pruning takes away)."""
    counting = _Counting(file)
    with zipfile.ZipFile(counting, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        writer = _Writer(archive, wanted, below)
        writer.write()
    return Receipt(writer.rows, counting.size, counting.digest.hexdigest())


@dataclass
class _Counting:
    """A file that can only be written on, and knows what was."""

    file: IO[bytes]
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def write(self, chunk: bytes) -> int:
        self.file.write(chunk)
        self.size += len(chunk)
        self.digest.update(chunk)
        return len(chunk)

    def flush(self) -> None:
        self.file.flush()

    def close(self) -> None:
        """It stays open: whoever opened it may go on."""


class _Writer:
    """Writes part after part, and remembers what each was."""

    def __init__(self, archive: zipfile.ZipFile, wanted: Wanted, below: tuple[int, int] | None) -> None:
        self.archive, self.wanted, self.below = archive, wanted, below
        self.narrowed = wanted.told | ({"generation": str(below[0]), "below": str(below[1])} if below else {})
        self.digests: dict[str, str] = {}
        self.rows = 0

    def write(self) -> None:
        found = parts.generations()
        for generation in found:
            self._generation(generation, is_last=generation == found[-1])
        self._part("unsealed.jsonl", parts.lines(parts.unsealed(Entry.objects.filter(self.wanted.where))))
        self._part("anchors/anchors.jsonl", parts.lines(() if self.wanted.project else parts.anchors()))
        manifest = {
            "format": FORMAT,
            "made": timezone.now().isoformat(),
            "keys": [parts.vkey(generation) for generation in found],
            "filter": self.narrowed,
            "personal": self.wanted.personal,
            "rows": self.rows,
            "parts": self.digests,
        }
        self.archive.writestr("manifest.json", json.dumps(manifest))

    def _generation(self, generation: int, *, is_last: bool) -> None:
        folder = f"generation-{generation}/"
        with tempfile.TemporaryFile() as privates:
            steps = _Steps(generation, is_last, self.wanted)
            self._part(folder + "entries.jsonl", parts.lines(self._entries(steps, cast(IO[bytes], privates))))
            privates.seek(0)
            if self.wanted.personal:
                self._part(folder + "private.jsonl", iter(lambda: privates.read(1 << 16), b""))
        marks = parts.checkpoints(generation, steps.size)
        times = ({"size": mark.size, "ts": micros(mark.ts)} for mark in marks)
        self._part(folder + "origin.txt", [parts.origin(generation).encode() + b"\n"])
        self._part(folder + "checkpoints.txt", (f"{mark.note}\n".encode() for mark in marks))
        self._part(folder + "times.jsonl", parts.lines(times))
        self._part(folder + "tiles/leaves", parts.leaves(generation, steps.size))

    def _entries(self, steps: _Steps, privates: IO[bytes]) -> Iterator[dict[str, Any]]:
        for index, entry in steps:
            if entry is None:
                if self.narrowed and not steps.is_pruned(index):  # a part must not hide that it was deleted
                    yield {"index": index, "body": ""}
            elif self._takes(entry, steps.generation, index):
                self.rows += 1
                differs = parts.differing(entry)
                yield {"index": index, "body": parts.b64(entry.body)} | ({"differs": differs} if differs else {})
                if self.wanted.personal and self.wanted.is_of(entry) and hasattr(entry, "private"):
                    salt, payload = parts.b64(entry.private.salt), parts.b64(entry.private.payload)
                    privates.writelines(parts.lines([{"index": index, "salt": salt, "payload": payload}]))

    def _takes(self, entry: Entry, generation: int, index: int) -> bool:
        if entry.phase in REMOVING or (generation > 1 and index == 0):  # whoever reads a part sees what is gone
            return True
        if self.below and (generation, index) >= self.below:
            return False
        return self.wanted.takes(entry)

    def _part(self, name: str, chunks: Iterable[bytes]) -> None:
        digest, told = hashlib.sha256(), zipfile.ZipInfo(name)
        told.compress_type = zipfile.ZIP_STORED if name.endswith("/leaves") else zipfile.ZIP_DEFLATED
        with self.archive.open(told, "w", force_zip64=True) as part:
            for chunk in chunks:
                digest.update(chunk)
                part.write(chunk)
        self.digests[name] = digest.hexdigest()


class _Steps:
    """Leaves with their entries (None: it is gone), without those of other places, up to the newest checkpoint of then.

    Whoever erases meanwhile seals first that they do: so as long as the newest part of the log says that something is
    gone, it is read as well. `size`: how far that came, once all was read.
    """

    def __init__(self, generation: int, is_last: bool, wanted: Wanted) -> None:
        self.generation, self.is_last, self.wanted = generation, is_last, wanted
        self.size = parts.size_of(generation)
        self._below = 0

    def __iter__(self) -> Iterator[tuple[int, Entry | None]]:
        begin = 0
        while begin < self.size:
            end = min(begin + parts.STEP, self.size)
            leaves = Leaf.objects.filter(generation=self.generation, idx__gte=begin, idx__lt=end).order_by("idx")
            places = list(leaves.values_list("idx", "entry_id"))
            rows = Entry.objects.filter(pk__in=[entry_id for _, entry_id in places])
            found, foreign = self._read(rows, places[0][1] if begin == 0 and places else None)
            yield from ((index, found.get(entry_id)) for index, entry_id in places if entry_id not in foreign)
            begin = end
            if begin == self.size and self.is_last:
                self._go_on()

    def _read(self, rows: QuerySet[Entry], first: UUID | None) -> tuple[dict[UUID, Entry], set[UUID]]:
        """Those that may be wanted, and the ids of the others, whose bodies nobody needs."""
        place = self.wanted.place
        asked = rows.filter(place | Q(phase__in=REMOVING) | Q(pk=first)) if place else rows
        found = {entry.pk: entry for entry in asked.select_related("private")}
        return found, set(rows.values_list("pk", flat=True)) - found.keys() if place else set()

    def is_pruned(self, index: int) -> bool:
        if index >= self._below:
            self._below = parts.pruned_below(self.generation)
        return index < self._below

    def _go_on(self) -> None:
        newest = parts.size_of(self.generation)
        since = Leaf.objects.filter(generation=self.generation, idx__gte=self.size, idx__lt=newest)
        if Entry.objects.filter(pk__in=since.values("entry_id"), phase__in=REMOVING).exists():
            self.size = newest

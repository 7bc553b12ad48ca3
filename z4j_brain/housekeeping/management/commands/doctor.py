"""Is the brain's own house in order? What it stands on, the log, what keeps that outside, guards and keys.

Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from z4j_core import dsn

from z4j_brain.audit import anchors, streams
from z4j_brain.audit.anchors import Held
from z4j_brain.audit.states import Arrival
from z4j_brain.audit.streams import Flow
from z4j_brain.housekeeping import examination
from z4j_brain.housekeeping.examination import Part
from z4j_brain.ledger import guards, health
from z4j_brain.ledger.states import LogState
from z4j_brain.lib import keys


class Command(BaseCommand):
    help = (
        "Tell how the database, the channel layer, housekeeping, disk, mail and time are, and the audit log with its "
        "anchors, streams, guards and keys; fails when something is wrong, and says what mends it."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        problems = [*self._told(examination.store())]
        if problems:
            raise CommandError(f"{len(problems)} to look at; the rest cannot be looked at before.")
        problems += self._told(examination.parts())
        ring, log = keys.ring(), health.health()
        recovery = dsn.fingerprint(ring.recovery_public) if ring.recovery_public else "none yet"
        self.stdout.write(f"Keys: root {ring.fingerprint}, log {dsn.fingerprint(ring.log_public)}, recovery {recovery}")
        self.stdout.write(f"Audit log: {log.state.label}; generation {log.generation}, {log.size:,} entries sealed")
        if log.oldest_unsealed:
            self.stdout.write(f"  {log.unsealed:,} wait for their seal, the oldest for {log.lag.total_seconds():.1f} s")
        held, flows = anchors.held(), streams.flows()
        for one in held:
            self.stdout.write(f"  Anchor {one.anchor.name}: {one.arrival.label}")
        for flow in flows:
            self.stdout.write(f"  Stream {flow.stream.name}: {flow.arrival.label}")
        for problem in (wrong := [*_problems(log), *_outside(held, flows)]):
            self.stderr.write(problem)
        problems += wrong
        if problems:
            raise CommandError(f"{len(problems)} to look at.")
        self.stdout.write("The database's guards are in place.")

    def _told(self, parts: Iterable[Part]) -> list[str]:
        """Say how each part is; the names of those that are not well."""
        wrong = []
        for part in parts:
            if part.fix:
                self.stderr.write(f"{part.name}: {part.text}\n  What to do: {part.fix}")
                wrong.append(part.name)
            else:
                self.stdout.write(f"{part.name}: {part.text}")
        return wrong


def _problems(log: health.LogHealth) -> Iterator[str]:
    if log.state != LogState.SEALING:
        yield f"The audit log: {log.state.label}. {log.reason}"
    for guard in guards.missing():
        yield f"The database's guards: {guard}. Somebody with the owner's rights has changed the schema."


def _outside(held: Sequence[Held], flows: Sequence[Flow]) -> Iterator[str]:
    """What does not come to where it should be. Whoever paused a stream may have forgotten it."""
    for one in held:
        if one.arrival == Arrival.LATE:
            yield f"The anchor {one.anchor.name} is late: it lacks {one.behind:,} entries. {one.anchor.error}".strip()
    for flow in flows:
        if flow.arrival in (Arrival.LATE, Arrival.PAUSED):
            said = f"The stream {flow.stream.name} is {flow.arrival.label}: it lacks {flow.behind:,} entries."
            yield f"{said} {flow.stream.error}".strip()

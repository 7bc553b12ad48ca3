"""Is the brain's own house in order? The log, what keeps it outside, the guards and the keys; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from z4j_core import dsn

from z4j_brain.audit import anchors, streams
from z4j_brain.audit.anchors import Held
from z4j_brain.audit.states import Arrival
from z4j_brain.audit.streams import Flow
from z4j_brain.ledger import guards, health
from z4j_brain.ledger.states import LogState
from z4j_brain.lib import keys


class Command(BaseCommand):
    help = (
        "Tell how the audit log, its anchors and streams, its guards and the keys are; fails when something is wrong."
    )

    def handle(self, *args: Any, **options: Any) -> None:
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
        problems = [*_problems(log), *_outside(held, flows)]
        for problem in problems:
            self.stderr.write(problem)
        if problems:
            raise CommandError(f"{len(problems)} to look at.")
        self.stdout.write("The database's guards are in place.")


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

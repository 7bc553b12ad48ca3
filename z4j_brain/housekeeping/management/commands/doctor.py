"""Is the brain's own house in order? The audit log, the database's guards and the keys; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from z4j_core import dsn

from z4j_brain.ledger import guards, health
from z4j_brain.ledger.states import LogState
from z4j_brain.lib import keys


class Command(BaseCommand):
    help = "Tell how the audit log, its guards and the keys are; fails when something is wrong."

    def handle(self, *args: Any, **options: Any) -> None:
        ring, log = keys.ring(), health.health()
        recovery = dsn.fingerprint(ring.recovery_public) if ring.recovery_public else "none yet"
        self.stdout.write(f"Keys: root {ring.fingerprint}, log {dsn.fingerprint(ring.log_public)}, recovery {recovery}")
        self.stdout.write(f"Audit log: {log.state.label}; generation {log.generation}, {log.size:,} entries sealed")
        if log.oldest_unsealed:
            self.stdout.write(f"  {log.unsealed:,} wait for their seal, the oldest for {log.lag.total_seconds():.1f} s")
        problems = list(_problems(log))
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

"""A log in the test's database, really appended to, sealed and exported, and what the verifier says of it."""

from __future__ import annotations

import io
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.cast import Cast
from z4j_brain.audit import export, parts, verifier
from z4j_brain.audit.export import Wanted
from z4j_brain.ledger import entries, generations, sealing
from z4j_brain.ledger.models import Checkpoint, Entry, Leaf
from z4j_brain.ledger.signer import Signer
from z4j_brain.ledger.states import Outcome, Phase
from z4j_brain.lib import keys
from z4j_brain.rbac.actor import Actor


@dataclass
class Log:
    """`folder`: where its signer remembers. `held`: the checkpoint that somebody keeps outside."""

    folder: Path
    actor: Actor
    held: str = ""
    signer: Signer = field(init=False)
    recoveries: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """A signer begins, as after a restart of the brain: it has what lies in its folder."""
        self.signer = Signer(self.folder, keys.ring())
        assert self.signer.hold()

    def restart(self) -> None:
        self.signer.release()
        self.start()

    def begin_anew(self) -> None:
        """Somebody acknowledges that the log was rolled back, with a recovery key that is made for it."""
        ring = self.signer.ring
        text = ring.make_recovery(anew=True)
        assert ring.recovery_public
        self.recoveries.append(ring.recovery_public)
        self.restart()
        self.signer.release()
        told = {"reason": "a disk broke", "recovery_key": text, "actor": self.actor}
        generations.acknowledge_rollback(**told, signer=Signer(self.folder, ring))
        self.start()

    def append(self, count: int = 1, **more: Any) -> list[Entry]:
        told = {"phase": Phase.REQUEST, "action": "task.retry", "actor": self.actor, "outcome": Outcome.ALLOWED}
        told |= {"project": "harbor", "environment": "production", "private": {"reason": "again"}}
        return [entries.append(**(told | more)) for _ in range(count)]  # type: ignore[arg-type]

    def seal(self) -> str:
        """What was appended is sealed; the newest checkpoint."""
        sealing.seal(self.signer)
        return self.newest

    @property
    def newest(self) -> str:
        return Checkpoint.objects.order_by("-generation", "-size").values_list("note", flat=True)[0]

    def hold(self) -> None:
        """Somebody keeps the newest checkpoint."""
        self.held = self.newest

    def place(self, entry_id: UUID) -> tuple[int, int]:
        return Leaf.objects.values_list("generation", "idx").get(entry_id=entry_id)

    def export(self, wanted: Wanted | None = None) -> io.BytesIO:
        file = io.BytesIO()
        export.write(file, wanted or Wanted())
        file.seek(0)
        return file

    def verdict(self, *held: str, wanted: Wanted | None = None) -> verifier.Report:
        """What somebody says who has the public key, and these checkpoints."""
        return verifier.verify(self.export(wanted), [parts.vkey(1)], list(held))


@contextmanager
def log_in(folder: Path, cast: Cast):
    log = Log(folder, Actor.of_user(cast.user("olive"), ip="203.0.113.9"))
    try:
        yield log
    finally:
        log.signer.release()

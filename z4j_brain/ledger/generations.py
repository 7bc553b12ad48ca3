"""What a person decides when the signer refuses: that the log begins anew, or that what is there is to be trusted.

Both need the signer's lock, which a signer that refuses gives up, and both are entries of the log themselves.
"""

from __future__ import annotations

import time

from django.db import transaction

from z4j_brain.ledger import entries, sealing
from z4j_brain.ledger.entries import Acting
from z4j_brain.ledger.memory import Head
from z4j_brain.ledger.models import Checkpoint
from z4j_brain.ledger.signer import Refused, Signer
from z4j_brain.ledger.states import Outcome, Phase
from z4j_brain.lib import keys

#: How long a signer that refuses may take to give up its lock.
PATIENCE = 10.0


class InOrder(Exception):
    """The log is the one that was signed: there is nothing to decide."""


class Remembered(ValueError):
    """The signer knows what it signed last, and the database is not that."""


class Busy(Exception):
    """Another process signs here."""


def acknowledge_rollback(*, reason: str, recovery_key: str, actor: Acting, signer: Signer | None = None) -> int:
    """Begin a new generation, whose first entry quotes the last head of the old one; its number.

    The first checkpoint is signed by the recovery key, too, so that agents who remember the old log accept it.
    """
    signer, recovery = signer or Signer(), keys.Recovery(recovery_key)
    last = _last_signed(signer)
    try:
        signer.check(recovery)
        _refuse_order(signer)
        found, _ = _newest()
        generation = max(found.generation, last.generation) + 1
        with transaction.atomic():
            entry = entries.append(
                phase=Phase.ADMIN,
                action="audit.acknowledge_rollback",
                actor=actor,
                outcome=Outcome.ALLOWED,
                target=("log", str(generation)),
                private={"reason": reason},
                facts={"last": _quoted(last), "found": _quoted(found)},
            )
        hashed = entries.leaf_hash(bytes(entry.body))
        signer.begin_anew(last, Head(generation, 1, hashed), entry.pk, recovery)
        sealing.seal(signer)
    finally:
        signer.release()
    return generation


def trust_head(*, reason: str, actor: Acting, signer: Signer | None = None) -> Head:
    """Take the newest checkpoint of the database for the last one that was signed, where nothing says which it was.

    Raises `Remembered` when the signer knows: a log that went back goes on in a new generation only.
    """
    signer = signer or Signer()
    last = _last_signed(signer)
    try:
        _refuse_order(signer)
        if last.generation:
            detail = f"The signer knows what it signed last: {last}. This log is not that: see acknowledge-rollback."
            raise Remembered(detail)
        head, text = sealing.newest()
        signer.trust(head, text)
        with transaction.atomic():
            entries.append(
                phase=Phase.ADMIN,
                action="audit.trust_head",
                actor=actor,
                outcome=Outcome.ALLOWED,
                target=("log", str(head.generation)),
                private={"reason": reason},
                facts={"last": _quoted(last), "found": _quoted(head)},
            )
        sealing.seal(signer)
    finally:
        signer.release()
    return head


def _last_signed(signer: Signer) -> Head:
    """Take the signer's lock; the last head that was signed here, as far as anybody knows."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            if signer.hold():
                return signer.last or Head(0)
        except Refused:  # the file cannot be read: it says nothing
            signer.folder.hold()
            return Head(0)
        if time.monotonic() > until:
            raise Busy("Another process signs here, and does not refuse to: is anything wrong?")
        time.sleep(0.05)


def _refuse_order(signer: Signer) -> None:
    """Raise `InOrder` when the signer would go on by itself."""
    try:
        sealing.meet(signer)
    except Refused:
        return
    raise InOrder("The log is the one that was signed. There is nothing to decide.")


def _newest() -> tuple[Head, str]:
    """The newest checkpoint, also where its note cannot be read."""
    try:
        return sealing.newest()
    except Refused:
        row = Checkpoint.objects.order_by("-generation", "-size").first()
        return (Head(row.generation, row.size, b"") if row else Head(1)), ""


def _quoted(head: Head) -> dict[str, object]:
    return {"generation": head.generation, "size": head.size, "root": head.root.hex()}

"""The signer: it signs a checkpoint only when it continues the last one that it signed, whatever the database says.

It knows nothing of entries and tables. What it remembers lies outside the database (see `memory`), so that a restored
backup, a cut tail or a rewritten log is found by the one process that could make it look right.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings
from z4j_core import merkle, note

from z4j_brain.ledger import origin
from z4j_brain.ledger.memory import Folder, Head, Memory, Signed, Unreadable
from z4j_brain.ledger.states import LogState
from z4j_brain.lib import keys

logger = logging.getLogger(__name__)

#: proof(old, new): that the tree of the database with `new` leaves begins with the one with `old`.
Proof = Callable[[int, int], Sequence[bytes]]


class Refused(Exception):
    """Nothing is signed until a person has decided."""

    def __init__(self, state: LogState, reason: str) -> None:
        super().__init__(reason)
        self.state, self.reason = state, reason


class Signer:
    """One at a time signs: `hold` says whether it is this one."""

    def __init__(self, data_dir: Path | None = None, ring: keys.KeyRing | None = None) -> None:
        self.folder = Folder((data_dir or settings.Z4J_DATA_DIR) / "signer")
        self.ring = ring or (keys.KeyRing.load(data_dir) if data_dir else keys.ring())
        self._memory: Memory | None = None

    def hold(self) -> bool:
        """Take the lock and read what was signed; False while another process signs."""
        if not self.folder.held:
            if not self.folder.hold():
                return False
            self._recall()
        return True

    def release(self) -> None:
        """Let another one sign: the next `hold` reads anew."""
        self.folder.release()
        self._memory = None

    def knows(self, head: Head) -> bool:
        """Whether this is what was signed last. Of the head before it, its entries say more: see `sealing.meet`."""
        return self._memory is not None and head == self._memory.last

    @property
    def last(self) -> Head | None:
        """What was signed last; None when nothing is remembered."""
        return self._memory.last if self._memory else None

    @property
    def memory(self) -> Memory:
        if self._memory is None:
            raise RuntimeError("The signer has met no log yet.")
        return self._memory

    def meet(self, head: Head, found: str, proof: Proof) -> Signed | None:
        """Compare the database's newest checkpoint with what was signed; a note that still has to be stored, or None.

        `found` is the checkpoint's note. Raises `Refused` when the log is not the one that was signed.
        """
        if self._memory is None:
            self._begin(head)
            return None
        memory = self._memory
        began_anew = not memory.head.size and memory.head.generation > head.generation
        if head == memory.head or began_anew:
            return memory.signed
        if memory.signed and head == memory.signed.head:
            self._memory = replace(memory, head=head, signed=None)
            return None
        self._catch_up(memory, head, found, proof)
        return None

    def sign(self, new: Head, proof: Sequence[bytes], entries: Sequence[UUID]) -> str:
        """The note of the tree that continues the last one, as the proof shows; remembered before it is given out."""
        memory = self.memory
        old = memory.head
        if memory.signed or new.generation != old.generation or new.size <= old.size:
            raise Refused(LogState.ROLLBACK, f"asked to sign {new} after {memory.last}")
        if not merkle.is_consistent(old.size, old.root, new.size, new.root, proof):
            raise Refused(LogState.ROLLBACK, f"{new} does not begin with what was signed: {old}")
        text = self._note(memory.origin, new)
        self._remember(replace(memory, signed=Signed(new, text, tuple(entries))))
        return text

    def begin_anew(self, old: Head, first: Head, entry: UUID, recovery: keys.Recovery) -> None:
        """A new generation. Its first checkpoint has one entry, and the recovery key signs it beside the log key."""
        self.check(recovery)
        name = origin.of_generation(first.generation)
        text = note.cosign(self._note(name, first), origin.recovery(), recovery.public, recovery.sign)
        self._remember(Memory(name, Head(first.generation), Signed(first, text, (entry,))))
        logger.warning("log_began_anew generation=%s after=%s", first.generation, old)

    def check(self, recovery: keys.Recovery) -> None:
        """Raises ValueError when agents would not accept what this key signs."""
        if recovery.public != self.ring.recovery_public:
            raise ValueError("This is not the recovery key that this brain's agents were told of.")

    def trust(self, head: Head, found: str) -> None:
        """Take the database's newest checkpoint for the last one that was signed: a person says so."""
        name = note.read(found).checkpoint.origin if found else origin.of_generation(head.generation)
        self._remember(Memory(name, head))
        logger.warning("log_head_trusted head=%s", head)

    def is_ours(self, text: str) -> bool:
        """Whether the log key signed this note."""
        try:
            read = note.read(text)
        except note.BadNote:
            return False
        return note.is_signed(read, read.checkpoint.origin, self.ring.log_public, checking(self.ring.log_public))

    def _recall(self) -> None:
        try:
            self._memory = self.folder.read()
        except Unreadable as error:
            self.release()
            raise Refused(LogState.UNTRUSTED, f"{self.folder.file} cannot be read: {error}") from error

    def _begin(self, head: Head) -> None:
        if head.size:
            reason = f"the log has {head}, and {self.folder.file} is not there to say that it was signed here"
            raise Refused(LogState.UNTRUSTED, reason)
        self._remember(Memory(origin.of_generation(head.generation), head))

    def _catch_up(self, memory: Memory, head: Head, found: str, proof: Proof) -> None:
        """A log that has gone on is fine when the same key signed it: this memory is the one that is old."""
        last = memory.last
        if head.generation == last.generation and head.size < last.size:
            raise Refused(LogState.ROLLBACK, f"the log has gone back: it was {last}, and is {head}")
        ours = head.generation == last.generation and head.size > last.size and self.is_ours(found)
        path = proof(last.size, head.size) if ours else []
        if not ours or not merkle.is_consistent(last.size, last.root, head.size, head.root, path):
            raise Refused(LogState.ROLLBACK, f"the log is another one: {last} was signed, and it is {head}")
        self._remember(Memory(memory.origin, head))
        logger.warning("log_was_ahead head=%s", head)

    def _note(self, name: str, head: Head) -> str:
        checkpoint = note.Checkpoint(name, head.size, head.root)
        return note.sign(checkpoint, name, self.ring.log_public, self.ring.sign_log)

    def _remember(self, memory: Memory) -> None:
        if not self.folder.held:
            raise RuntimeError("Only who holds the lock signs.")
        self.folder.write(memory)
        self._memory = memory


def checking(public: bytes) -> note.Check:
    """check(signature, message) of this key, as `z4j_core.note` asks for it."""
    key = Ed25519PublicKey.from_public_bytes(public)

    def check(signature: bytes, message: bytes) -> bool:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return check

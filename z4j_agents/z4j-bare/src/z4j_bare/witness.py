"""The brain's log, watched from outside: it may only grow, and never becomes another.

What was shown last is remembered here, out of the brain's reach. While the brain does not show that its log goes on
from there nothing is carried out, also after a restart. Two signed notes that cannot be of one log end all commands
until the owner of this worker accepts it (Z4J_ACCEPT_GENERATION) or the recovery key vouches for a new generation.

Only what signatures and hashes prove is held for ever: a note that is old, or comes with a wrong proof, may be the
doing of whoever stands between us and the brain.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from z4j_core import merkle, wire
from z4j_core.note import Checkpoint
from z4j_core.statement import Refusal

from z4j_bare import evidence
from z4j_bare.database import Unavailable
from z4j_bare.problems import Problems
from z4j_bare.remembered import WITNESS, Alarm, Head, Remembered, generation_of
from z4j_bare.transport import Transport, Unreachable
from z4j_bare.trust import Trust, Untrusted, is_recovered

logger = logging.getLogger(__name__)

#: What is known for ever once it was seen, for signed notes prove it.
FORK = "fork"
#: What is over as soon as the brain shows what it should.
ROLLBACK, UNSIGNED, GENERATION, UNPROVEN = "rollback", "unsigned", "generation", "unproven"
_PASSING: Final = (ROLLBACK, UNSIGNED, GENERATION, UNPROVEN)
#: In these the brain is not told what we remember, so that it says anew where its log stands.
_SAY_ANEW: Final = (ROLLBACK, UNSIGNED, UNPROVEN)
#: How often another worker of this host may move on while we look.
TRIES: Final = 5
_SHORTER: Final = (
    "The brain's audit log has become shorter: it showed {old} entries before and shows {new} now. An old database may"
    " have been put back."
)
_APART: Final = "The brain has signed an audit log of {old} entries and one of {new} that are not one log."
_OTHER: Final = "The brain's audit log of {new} entries does not begin with the {old} it showed: it was rewritten."
_ANEW: Final = (
    "The brain's audit log began anew as {new}, and the recovery key does not vouch for it. If you know why, set"
    " Z4J_ACCEPT_GENERATION to the number at its end."
)
_BACK: Final = "The brain's audit log is {new} again, and it was {old}: an old database may have been put back."
_MUTE: Final = "The brain cannot show that its audit log of {new} entries and the {old} it showed before are one."
_ENDS: Final = "No command is carried out."


class Inconsistent(Exception):
    """What the brain says of its log cannot be believed."""

    def __init__(self, text: str, kind: str = "") -> None:
        super().__init__(text)
        self.kind = kind
        #: Of a fork, what proves it beside the two notes.
        self.proof: Shown | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What the brain has shown when it was asked how a log goes on: its older root, and the proof from there."""

    root: bytes | None
    hashes: Sequence[bytes]


class Witness:
    """One per process that waits for commands; what they know they share.

    `accept`: the generation that the owner accepts, as the setting says it. `say`: something about us is new.
    """

    def __init__(
        self,
        folder: Path,
        trust: Trust,
        transport: Transport,
        problems: Problems,
        say: Callable[[], None],
        accept: str | None = None,
    ) -> None:
        self._folder = folder
        self._trust = trust
        self._transport = transport
        self._problems = problems
        self._say = say
        self._accept = accept
        self._seen = Remembered(folder / WITNESS)
        self._told = False

    def query(self) -> dict[str, str]:
        """What is remembered, as a poll says it; nothing while the brain shall say anew where its log stands."""
        with contextlib.suppress(Unavailable):
            self._accept_now()
            alarm = self._announce()
            known = self._seen.head()
            if known is not None and (alarm is None or alarm.kind not in _SAY_ANEW):
                return {wire.ORIGIN_QUERY: known.point.origin, wire.SIZE_QUERY: str(known.point.size)}
        return {}

    def hear(self, log: Any, asked: dict[str, str]) -> None:
        """What came with the answer to a poll that had asked so. Raises Unreachable when the brain has to be asked."""
        if not isinstance(log, dict) or not isinstance(log.get("checkpoint"), str):
            return
        first = log.get("first")
        with contextlib.suppress(Inconsistent, Unavailable):
            self._admit(log["checkpoint"], _hashes(log.get("proof")), asked, first if isinstance(first, str) else None)

    def confirm(self, text: str) -> Checkpoint:
        """The checkpoint of a note that belongs to the log as we know it, which is on the disk when this returns.

        Raises Inconsistent, Unreachable when the brain has to be asked, Unavailable.
        """
        if alarm := self._seen.alarm():
            raise Inconsistent(alarm.text, alarm.kind)
        return self._admit(text, None, {}, None)

    def alarm(self) -> Alarm | None:
        """Raises Unavailable."""
        return self._seen.alarm()

    def facts(self) -> dict[str, Any]:
        """What the brain is told of what we remember."""
        known, alarm = self._seen.head(), self._seen.alarm()
        told: dict[str, Any] = {"origin": known.point.origin, "size": known.point.size} if known else {}
        return told | ({"alarm": alarm.kind} if alarm else {})

    def close(self) -> None:
        self._seen.file.close()

    def _admit(self, text: str, proof: Sequence[bytes] | None, asked: dict[str, str], first: str | None) -> Checkpoint:
        known = None
        try:
            point = self._signed(text)
            for _ in range(TRIES):
                known = self._seen.head()
                if self._place(known, Head(point, text), proof, asked, first):
                    if self._seen.end_alarm(*_PASSING):
                        logger.warning("The brain's audit log is again what it was: commands are carried out.")
                    self._announce()
                    return point
        except Inconsistent as error:
            self._alarm(error, known, text)
            raise
        raise Unavailable("witness.db is busy.")

    def _signed(self, text: str) -> Checkpoint:
        try:
            return self._trust.checkpoint(text)
        except Untrusted as error:
            raise Inconsistent(f"{error} {_ENDS}", UNSIGNED) from error

    def _place(
        self, known: Head | None, new: Head, proof: Sequence[bytes] | None, asked: dict[str, str], first: str | None
    ) -> bool:
        """Put it beside what is known; False when that has changed under our eyes. Raises Inconsistent."""
        if known is None:
            return self._seen.begin(new, self._trust.recovery)
        if known.point == new.point:
            return True
        same = asked.get(wire.ORIGIN_QUERY) == known.point.origin
        base = int(asked[wire.SIZE_QUERY]) if same else None
        if known.point.origin != new.point.origin:
            return self._renew(known, new, proof or (), base is not None, first)
        if known.point.size == new.point.size:
            raise _differs(_OTHER, FORK, known, new)
        if new.point.size < known.point.size:
            # It may be an answer from before another worker was shown more.
            self._demand_one(new, known, _differs(_SHORTER, ROLLBACK, known, new), _differs(_APART, FORK, known, new))
            return True
        given = proof if base == known.point.size else None
        if given is None or not _is_one(known.point, known.point.root, new.point, given):
            self._demand_one(known, new, _differs(_MUTE, UNPROVEN, known, new), _differs(_OTHER, FORK, known, new))
        return self._seen.move(known, new)

    def _demand_one(self, old: Head, new: Head, otherwise: Inconsistent, fork: Inconsistent) -> None:
        """Have the brain show anew that the longer log begins with the shorter.

        Raises Unreachable; `fork` when what it shows proves that they are two, and else `otherwise`.
        """
        shown = self._ask(old.point, new.point)
        if shown is None:
            raise otherwise
        if _is_one(old.point, old.point.root, new.point, shown.hashes):
            return
        if shown.root is not None and _is_one(old.point, shown.root, new.point, shown.hashes):
            # The hashes lead to the signed root of the longer one, so nobody has made them up.
            fork.proof = shown
            raise fork
        raise otherwise

    def _renew(self, known: Head, new: Head, proof: Sequence[bytes], base: bool, first: str | None) -> bool:
        """Another log in place of the one we know: only if somebody vouches for it whom the brain cannot be."""
        before, number = generation_of(known.point.origin), generation_of(new.point.origin)
        if number is None or (before is not None and number < before):
            if base:
                raise _differs(_BACK, ROLLBACK, known, new)
            raise Inconsistent(f"The brain spoke of an audit log that has ended. {_ENDS}")
        if not self._is_vouched(new, first, proof) and not self._seen.take_acceptance(number):
            raise _differs(_ANEW, GENERATION, known, new)
        if not self._seen.move(known, new):
            return False
        logger.warning("origin=%s the brain's audit log began anew, and that is accepted", new.point.origin)
        self._seen.end_alarm()
        return True

    def _is_vouched(self, new: Head, first: str | None, proof: Sequence[bytes]) -> bool:
        """By the recovery key, on the first checkpoint of a log that goes on to this one."""
        text = new.note if first is None else first
        begun = self._signed(text)
        if begun.origin != new.point.origin or not is_recovered(text, self._seen.recovery()):
            return False
        return merkle.is_consistent(begun.size, begun.root, new.point.size, new.point.root, proof)

    def _ask(self, old: Checkpoint, new: Checkpoint) -> Shown | None:
        """How the log goes on from one to the other; None when the brain does not show it. Raises Unreachable."""
        # The nonce, so that nobody answers out of a cache.
        sizes = {"old": old.size, "new": new.size, "nonce": secrets.token_hex(8)}
        reply = self._transport.get(f"{wire.LOG_PATH}?{urlencode({wire.ORIGIN_QUERY: old.origin, **sizes})}")
        if reply.status not in (200, 404, 409):
            raise Unreachable(str(reply.status))
        answer = None
        if reply.status == 200:
            with contextlib.suppress(ValueError, RecursionError):
                answer = json.loads(reply.body)
        if not isinstance(answer, dict) or (hashes := _hashes(answer.get("proof"))) is None:
            return None
        root = _hashes([answer.get("root")])
        return Shown(root[0] if root else None, hashes)

    def _alarm(self, error: Inconsistent, known: Head | None, shown: str) -> None:
        alarm = self._seen.alarm()
        if error.kind and (alarm is None or (alarm.kind in _PASSING and alarm.kind != error.kind)):
            place = "" if known is None or error.kind == UNSIGNED else self._keep(error, known, shown)
            self._seen.end_alarm(*_PASSING)
            self._seen.raise_alarm(error.kind, str(error), place)
        self._announce()

    def _keep(self, error: Inconsistent, known: Head, shown: str) -> str:
        """Two notes that a log key of the root has signed; what nobody has signed proves nothing."""
        parts = [] if error.proof is None else [error.proof.root or b"", *error.proof.hashes]
        proof = [base64.b64encode(part).decode() for part in parts]
        try:
            return str(evidence.keep(self._folder, error.kind, known.note, shown, proof, self._trust.said))
        except OSError as failed:
            logger.error("error=%s the evidence could not be written", failed.strerror)
            return ""

    def _accept_now(self) -> None:
        """The owner's word counts once."""
        if self._accept is not None:
            if self._seen.accept(self._accept):
                logger.warning("generation=%s accepted by this worker's own settings", self._accept)
            self._accept = None

    def _announce(self) -> Alarm | None:
        """Tell people of an alarm, and of its end."""
        alarm = self._seen.alarm()
        if alarm is not None and not self._told:
            self._told = True
            logger.critical("kind=%s evidence=%s %s", alarm.kind, alarm.evidence, alarm.text)
            self._problems.tell("", Refusal.AUDIT_INCONSISTENT.value, alarm.text)
            self._say()
        elif alarm is None and self._told:
            self._told = False
            self._problems.over("", Refusal.AUDIT_INCONSISTENT.value)
            self._say()
        return alarm


def _is_one(old: Checkpoint, root: bytes, new: Checkpoint, proof: Sequence[bytes]) -> bool:
    """Whether the newer log had this root when it had as many entries as the older."""
    return merkle.is_consistent(old.size, root, new.size, new.root, proof)


def _differs(words: str, kind: str, known: Head, shown: Head) -> Inconsistent:
    old, new = known.point, shown.point
    told = (old.origin, new.origin) if old.origin != new.origin else (old.size, new.size)
    return Inconsistent(f"{words.format(old=told[0], new=told[1])} {_ENDS}", kind)


def _hashes(found: Any) -> list[bytes] | None:
    if not isinstance(found, list) or len(found) > merkle.MAX_PROOF:
        return None
    try:
        return [base64.b64decode(part, validate=True) for part in found]
    except (binascii.Error, ValueError, TypeError):
        return None

"""The brain's log, watched from outside: it may only grow, and never becomes another.

What was shown last is remembered here, out of the brain's reach. A log that has become shorter or another, signed by
whomever, is an alarm: nothing is carried out from then on, also after a restart, until the owner of this worker accepts
it (Z4J_ACCEPT_GENERATION) or the recovery key vouches for a new generation of the log.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import logging
from collections.abc import Callable, Sequence
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

#: What is known for ever once it was seen, for both notes are signed.
ROLLBACK, FORK = "rollback", "fork"
#: What is over as soon as the brain shows what it should.
UNSIGNED, GENERATION, UNPROVEN = "unsigned", "generation", "unproven"
_PASSING: Final = (UNSIGNED, GENERATION, UNPROVEN)
#: How often another worker of this host may move on while we look.
TRIES: Final = 5
_SHORTER: Final = (
    "The brain's audit log has become shorter: it showed {old} entries before and shows {new} now. An old database may"
    " have been put back."
)
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


class Witness:
    """One per process that waits for commands; what they know they share.

    `accept`: the generation that the owner accepts. `say`: something about us is new.
    """

    def __init__(
        self,
        folder: Path,
        trust: Trust,
        transport: Transport,
        problems: Problems,
        say: Callable[[], None],
        accept: int | None = None,
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
            if known is not None and (alarm is None or alarm.kind not in (UNSIGNED, UNPROVEN)):
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
            self._alarm(error, known, text, proof)
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
            return self._shrink(known, new, base)
        return self._grow(known, new, proof, base)

    def _grow(self, known: Head, new: Head, proof: Sequence[bytes] | None, base: int | None) -> bool:
        if proof is None or base != known.point.size:
            proof = self._ask(known, new)
        _demand_one(known, new, proof, known, new)
        return self._seen.move(known, new)

    def _shrink(self, known: Head, new: Head, base: int | None) -> bool:
        """It may be an answer from before another worker was shown more; not to who has said that they know more."""
        if base is not None and base > new.point.size:
            raise _differs(_SHORTER, ROLLBACK, known, new)
        _demand_one(new, known, self._ask(new, known), known, new)
        return True

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

    def _ask(self, one: Head, other: Head) -> Sequence[bytes]:
        """The proof that the longer of them begins with the shorter. Raises Unreachable, Inconsistent."""
        old, new = sorted((one.point.size, other.point.size))
        query = urlencode({wire.ORIGIN_QUERY: one.point.origin, "old": old, "new": new})
        reply = self._transport.get(f"{wire.LOG_PATH}?{query}")
        if reply.status not in (200, 404, 409):
            raise Unreachable(str(reply.status))
        answer = None
        if reply.status == 200:
            with contextlib.suppress(ValueError, RecursionError):
                answer = json.loads(reply.body)
        proof = _hashes(answer.get("proof")) if isinstance(answer, dict) else None
        if proof is None:
            raise _differs(_MUTE, UNPROVEN, one, other)
        return proof

    def _alarm(self, error: Inconsistent, known: Head | None, shown: str, proof: Sequence[bytes] | None) -> None:
        alarm = self._seen.alarm()
        if error.kind and (alarm is None or (alarm.kind in _PASSING and alarm.kind != error.kind)):
            self._seen.end_alarm(*_PASSING)
            self._seen.raise_alarm(error.kind, str(error), self._keep(error.kind, known, shown, proof))
        self._announce()

    def _keep(self, kind: str, known: Head | None, shown: str, proof: Sequence[bytes] | None) -> str:
        hashes = None if proof is None else [base64.b64encode(part).decode() for part in proof]
        try:
            return str(evidence.keep(self._folder, kind, known.note if known else "", shown, hashes, self._trust.said))
        except OSError as error:
            logger.error("error=%s the evidence could not be written", error.strerror)
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


def _demand_one(old: Head, new: Head, proof: Sequence[bytes], known: Head, shown: Head) -> None:
    one, other = old.point, new.point
    if not merkle.is_consistent(one.size, one.root, other.size, other.root, proof):
        raise _differs(_OTHER, FORK, known, shown)


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

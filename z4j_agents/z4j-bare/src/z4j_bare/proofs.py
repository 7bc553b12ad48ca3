"""No effect without evidence: a command is what the brain's log says was asked for, or it is not carried out."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from z4j_core import merkle, statement, wire
from z4j_core.statement import Refusal

from z4j_bare.witness import Inconsistent, Witness

_MISSING: Final = "This command does not prove that it stands in the brain's audit log, as this worker demands."
_UNREADABLE: Final = "The proof that came with this command cannot be read."
_NOT_IN_LOG: Final = "The brain's audit log does not hold the request that this command comes from."
_NOT_OF_ENTRY: Final = "The request that stands in the brain's audit log is not one for this command."
_NOT_AS_SEALED: Final = "What this command says is not what stands in the brain's audit log: {what} is another."


class Unproven(Exception):
    """Why, as a code and as a sentence."""

    def __init__(self, code: Refusal, why: str) -> None:
        super().__init__(why)
        self.code = code


class Proofs:
    """`required`: a command without a proof is refused."""

    def __init__(self, witness: Witness, *, required: bool = True) -> None:
        self._witness = witness
        self._required = required

    def check(self, command: wire.Command) -> None:
        """Raises Unproven, Unreachable when the brain has to be asked, and Unavailable."""
        if alarm := self._witness.alarm():
            raise Unproven(Refusal.AUDIT_INCONSISTENT, alarm.text)
        proof = command.get("proof")
        if proof is None:
            if self._required:
                raise Unproven(Refusal.PROOF_MISSING, _MISSING)
            return
        try:
            self._check(command, proof)
        except Inconsistent as error:
            raise Unproven(Refusal.AUDIT_INCONSISTENT, str(error)) from error
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise Unproven(Refusal.PROOF_UNREADABLE, _UNREADABLE) from error

    def _check(self, command: wire.Command, proof: wire.Proof) -> None:
        entry, sealed = base64.b64decode(proof["entry"], validate=True), base64.b64decode(proof["statement"])
        point = self._witness.confirm(proof["checkpoint"])
        leaf, path = merkle.leaf_hash(entry), _hashes(proof["path"])
        if not merkle.is_included(leaf, proof["index"], point.size, path, point.root):
            raise Unproven(Refusal.NOT_IN_LOG, _NOT_IN_LOG)
        told = json.loads(entry)
        if told["outcome"] != "allowed" or not _is_of(told, sealed, proof):
            raise Unproven(Refusal.NOT_OF_ENTRY, _NOT_OF_ENTRY)
        if what := statement.difference(statement.read(sealed), command):
            raise Unproven(Refusal.NOT_AS_SEALED, _NOT_AS_SEALED.format(what=what))


def _is_of(entry: dict[str, Any], sealed: bytes, proof: wire.Proof) -> bool:
    root = bytes.fromhex(entry.get("commands", ""))
    return statement.is_of(root, sealed, proof["number"], proof["count"], _hashes(proof["way"]))


def _hashes(found: list[str]) -> list[bytes]:
    return [base64.b64decode(part, validate=True) for part in found]

"""What waits is sealed in the test's own process, where no server runs that signs."""

from __future__ import annotations

import json
import tempfile
from base64 import b64decode
from pathlib import Path

from z4j_core import merkle, note, statement, wire

from z4j_brain.agents.models import Agent
from z4j_brain.ledger import entries, sealing
from z4j_brain.ledger.signer import Signer
from z4j_brain.ledger.states import Outcome, Phase
from z4j_brain.lib import keys
from z4j_brain.operations import outbox, statements, targets
from z4j_brain.operations.models import Command
from z4j_brain.operations.targets import Candidate, Resolved
from z4j_brain.rbac.action import Record
from z4j_brain.rbac.actor import SYSTEM


def seal() -> int:
    """Seal what waits, whatever was signed before this test; how many entries."""
    with tempfile.TemporaryDirectory() as folder:
        signer = Signer(Path(folder), keys.ring())
        assert signer.hold()
        try:
            signer.trust(*sealing.newest())
            return sealing.seal(signer)
        finally:
            signer.release()


def lease(agent: Agent, limit: int = 1) -> list[wire.Command]:
    """What the agent is given once everything is sealed; it proves what an agent demands."""
    seal()
    commands = outbox.lease(agent, limit)
    for command in commands:
        check(command)
    return commands


def check(command: wire.Command) -> None:
    """Its request stands in the log, and what it says is what was said there."""
    proof = command["proof"]
    point, entry = note.read(proof["checkpoint"]).checkpoint, b64decode(proof["entry"])
    path, way = [[b64decode(part) for part in proof[name]] for name in ("path", "way")]
    assert merkle.is_included(merkle.leaf_hash(entry), proof["index"], point.size, path, point.root)
    assert json.loads(entry)["outcome"] == Outcome.ALLOWED
    said, root = b64decode(proof["statement"]), bytes.fromhex(json.loads(entry)["commands"])
    assert statement.is_of(root, said, proof["number"], proof["count"], way)
    assert statement.difference(statement.read(said), command) == ""


def ask(command: Command) -> None:
    """A request in the ledger for a command that a test has put into the queue itself, as if somebody had asked."""
    record, operation = Record(), command.operation
    ids = [item.target_id for item in command.items.all()]
    found = targets.resolve(operation.target_kind, command.environment_id, ids).values()
    known = [Candidate(one.id, "", command.engine, identity=_identity(one)) for one in found]
    statements.seal(operation, [(command, known)], record)
    command.save()
    place = operation.environment
    entries.append(
        phase=Phase.REQUEST,
        action=operation.action,
        actor=SYSTEM,
        outcome=Outcome.ALLOWED,
        project=place.project.slug,
        environment=place.slug,
        entry_id=record.entry_id,
        facts=record._facts,
    )


def _identity(one: Resolved) -> tuple[str, str, str, str]:
    return (one.task_id, one.name, "", "") if one.task_id else ("", one.name, one.queue, one.worker)

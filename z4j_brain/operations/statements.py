"""Sealed before effect: what each command may do is said, and the entry that asks for it commits to it, before it goes.

The statements of one entry are the leaves of a small tree; its root stands in the entry's body as `commands`. An agent
is sent the entry with its place in the log, and its statement with its place under that root: see `z4j_core.statement`.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext
from z4j_core import statement, wire

from z4j_brain.ledger import health
from z4j_brain.ledger.models import Leaf
from z4j_brain.ledger.proofs import Inclusion, inclusion
from z4j_brain.lib.bulk import micros
from z4j_brain.lib.ids import uuid7
from z4j_brain.operations.models import Command, Operation
from z4j_brain.operations.targets import Candidate
from z4j_brain.rbac.action import Record

_HASH = 32
_FIELDS = ("statement", "number", "count", "way", "entry_id")
#: Sealing takes a moment; what takes longer is told.
PATIENCE = timedelta(seconds=3)


@dataclass(slots=True)
class Own:
    """The entry that commits to commands where no action does."""

    entry_id: UUID = field(default_factory=uuid7)
    said: dict[str, Any] = field(default_factory=dict)

    def facts(self, facts: Mapping[str, Any]) -> None:
        self.said.update(facts)


def seal(operation: Operation, commands: Sequence[tuple[Command, Sequence[Candidate]]], record: Record | Own) -> None:
    """Say what each of these may do, before they are stored, and have the entry of the action commit to it."""
    for command, chunk in commands:
        command.statement = _say(operation, command, [_identity(one, command) for one in chunk])
    _commit([command for command, _ in commands], record)


def adopt(
    operation: Operation, commands: Sequence[tuple[Command, Sequence[wire.Target]]]
) -> tuple[UUID, dict[str, Any]]:
    """The same of commands that are stored already, with what is left of their targets: for an entry of their own, its
    id and what its body has to say.
    """
    own = Own()
    for command, left in commands:
        command.statement = _say(operation, command, [statement.identity(one) for one in left])
    kept = [command for command, _ in commands]
    _commit(kept, own)
    _store(kept)
    return own.entry_id, own.said


def extend(commands: Sequence[Command], record: Record) -> None:
    """They are valid for another time than was said, or from now on: say it anew, in the entry of the action that makes
    it so.
    """
    stated = [command for command in commands if command.statement]
    for command in stated:
        said = json.loads(bytes(command.statement)) | {"expires": micros(command.expires_at), "salt": _salt()}
        command.statement = statement.encode(said)
    _commit(stated, record)
    _store(stated)


def ready(commands: QuerySet[Command]) -> QuerySet[Command]:
    """Those whose entry stands in the log; none while the log is not the one that was signed."""
    return commands.filter(Exists(Leaf.objects.filter(entry_id=OuterRef("entry_id"))), ~Exists(health.stopped()))


class Prover:
    """Proves commands that are leased together, most of them of one entry."""

    def __init__(self) -> None:
        self._known: dict[UUID | None, Inclusion | None] = {}

    def prove(self, command: Command) -> wire.Proof | None:
        """None when it cannot be proven: then it cannot be sent."""
        if command.entry_id not in self._known:
            self._known[command.entry_id] = inclusion(command.entry_id) if command.entry_id else None
        found = self._known[command.entry_id]
        if found is None or found.body is None or not command.statement:
            return None
        way = bytes(command.way)
        return wire.Proof(
            entry=_told(found.body),
            index=found.index,
            path=[_told(part) for part in found.path],
            checkpoint=found.checkpoint,
            statement=_told(bytes(command.statement)),
            number=command.number,
            count=command.count,
            way=[_told(way[at : at + _HASH]) for at in range(0, len(way), _HASH)],
        )


def params(command: Command) -> dict[str, Any]:
    """As they were sealed: what a database makes of numbers would be another text."""
    return dict(json.loads(bytes(command.statement))["params"])


def obstacle(operation: Operation) -> str:
    """Why nothing of it is handed out, as far as that is the log's doing; empty when it is not."""
    waiting = Command.objects.filter(operation=operation, fence=0)
    young = timezone.now() - operation.created_at < PATIENCE
    if young or not operation.is_going or not waiting.exists() or ready(waiting).exists():
        return ""
    if not health.may_dispatch():
        return gettext(
            "The audit log is not the one that was signed, so nothing is handed out. Its page says what to do."
        )
    return gettext("Its request waits to be sealed in the audit log; nothing is handed out before.")


def _store(commands: Sequence[Command]) -> None:
    Command.objects.bulk_update(commands, _FIELDS, batch_size=100)


def _say(operation: Operation, command: Command, targets: list[list[str]]) -> bytes:
    place = operation.environment
    said = statement.Statement(
        v=statement.VERSION,
        id=str(command.pk),
        operation=str(operation.pk),
        project=place.project.slug,
        environment=place.slug,
        engine=command.engine,
        verb=command.verb,
        params=command.params,
        expires=micros(command.expires_at) or 0,
        targets=targets,
        salt=_salt(),
    )
    return statement.encode(said)


def _commit(commands: Sequence[Command], record: Record | Own) -> None:
    if not commands:
        return
    root, ways = statement.tree(bytes(command.statement) for command in commands)
    for number, (command, way) in enumerate(zip(commands, ways, strict=True)):
        command.number, command.count, command.way = number, len(commands), b"".join(way)
        command.entry_id = record.entry_id
    record.facts({"commands": root.hex()})


def chosen_queue(command: Command) -> str:
    """A task that is made from its name has no queue yet: it goes into the one that was asked for."""
    return str(command.params.get("queue") or "") if command.verb == "run" else ""


def _identity(one: Candidate, command: Command) -> list[str]:
    task_id, name, queue, worker = one.identity
    return [task_id, name, queue or chosen_queue(command), worker]


def _salt() -> str:
    return secrets.token_hex(16)


def _told(raw: bytes) -> str:
    return base64.b64encode(raw).decode()

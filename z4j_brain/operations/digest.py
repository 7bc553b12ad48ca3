"""What an approval is bound to: one hash over all that an operation would do, as it stands in the database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from z4j_brain.operations.models import Command, Item, Operation

_STEP = 2_000


def of(operation: Operation) -> str:
    """SHA-256 over place, action, options, expiry, each command and each target, one line of JSON each.

    A command that any agent may carry out is bound to none; one that is about a worker is bound to the worker's name,
    since a worker that comes back under its name is the same to whoever approves.
    """
    hashed = hashlib.sha256(b"z4j/approval/v1\n")
    for line in _lines(operation):
        hashed.update(json.dumps(line, sort_keys=True, ensure_ascii=True, default=str).encode() + b"\n")
    return hashed.hexdigest()


def _lines(operation: Operation) -> Iterator[list[Any]]:
    place = operation.environment
    yield [place.project.slug, place.slug, str(operation.pk), operation.action, operation.target_kind]
    yield [operation.options, operation.total, operation.halt_at, operation.expires_at.timestamp()]
    told = ("pk", "engine", "verb", "params", "statement", "bound", "audience__name", "expires_at")
    commands = Command.objects.filter(operation=operation).order_by("pk").values_list(*told)
    for pk, engine, verb, params, statement, bound, audience, expires_at in commands.iterator(chunk_size=_STEP):
        said = hashlib.sha256(bytes(statement)).hexdigest()
        yield [str(pk), engine, verb, params, said, audience if bound else "", expires_at.timestamp()]
    names = ("target_id", "part", "label", "command_id", "left_out", "outcome")
    items = Item.objects.filter(operation=operation).order_by("pk").values_list(*names)
    for row in items.iterator(chunk_size=_STEP):
        yield [str(value) for value in row]

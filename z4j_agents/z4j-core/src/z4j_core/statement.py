"""What a command may do, in the bytes that the log holds before it leaves, and that an agent holds it against.

The statements of one operation are the leaves of a small tree (RFC 6962), whose root stands in the entry that asked for
it. A salt in each keeps anybody who reads the log from guessing what it says. A command may be told of some of the
targets that its statement names, never of others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypedDict, cast

from z4j_core import merkle, wire
from z4j_core.enums import StrEnum

VERSION: Final = 1


class Refusal(StrEnum):
    """Why an agent does not do what its brain's log does not bear out: the `code` of a result, beside its sentence."""

    AUDIT_INCONSISTENT = "audit_inconsistent"
    PROOF_MISSING = "proof_missing"
    PROOF_UNREADABLE = "proof_unreadable"
    NOT_IN_LOG = "not_in_log"
    NOT_OF_ENTRY = "not_of_entry"
    NOT_AS_SEALED = "not_as_sealed"


class Statement(TypedDict):
    """A target is [task id, name, queue, worker]: of a task the last two are empty, for it may wander."""

    v: int
    id: str
    operation: str
    project: str
    environment: str
    engine: str
    verb: str
    params: dict[str, Any]
    expires: int
    targets: list[list[str]]
    salt: str


#: What stands in a command as in its statement, with the words by which people are told of it.
_SAME: Final = {
    "id": "the command", "operation": "the operation", "project": "the project", "environment": "the environment",
    "engine": "the engine", "verb": "what is to be done", "params": "the parameters", "expires": "how long it is valid",
}  # fmt: skip


def identity(target: wire.Target) -> list[str]:
    """What of a target cannot change until its turn comes."""
    task_id, name = target["task_id"], target.get("name", "")
    return [task_id, name, "", ""] if task_id else ["", name, target.get("queue", ""), target.get("worker", "")]


def encode(value: Mapping[str, Any]) -> bytes:
    """One byte string for one value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def read(raw: bytes) -> Statement:
    """Raises ValueError for what is none."""
    found = json.loads(raw)
    if not isinstance(found, dict) or found.get("v") != VERSION or not _SAME.keys() | {"targets"} <= found.keys():
        raise ValueError("This is no statement.")
    targets = found["targets"]
    if not isinstance(targets, list) or not all(_is_identity(one) for one in targets):
        raise ValueError("The targets of this statement cannot be read.")
    return cast(Statement, found)


def difference(said: Statement, command: wire.Command) -> str:
    """In what a command is not what its statement says; empty when it is just that."""
    for part, words in _SAME.items():
        if encode({"": said[part]}) != encode({"": command[part]}):  # type: ignore[literal-required]
            return words
    sealed = {tuple(one) for one in said["targets"]}
    return "" if all(_is_among(sealed, identity(target)) for target in command["targets"]) else "a target"


def tree(leaves: Iterable[bytes]) -> tuple[bytes, list[list[bytes]]]:
    """The root over these statements, and the path of each."""
    hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
    levels = [hashes]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([merkle.node_hash(*below[at : at + 2]) for at in range(0, len(below) - 1, 2)])

    def node(level: int, index: int) -> bytes:
        return levels[level][index]

    return merkle.root(hashes), [merkle.inclusion(at, len(hashes), node) for at in range(len(hashes))]


def is_of(root: bytes, leaf: bytes, number: int, count: int, way: Sequence[bytes]) -> bool:
    """Whether these bytes are the statement with this number among so many under the root."""
    return merkle.is_included(merkle.leaf_hash(leaf), number, count, way, root)


def _is_among(sealed: set[tuple[str, ...]], target: list[str]) -> bool:
    """A task whose name nobody knew when it was asked for may have been heard of since."""
    task_id, _, queue, worker = target
    return tuple(target) in sealed or (bool(task_id) and (task_id, "", queue, worker) in sealed)


def _is_identity(one: Any) -> bool:
    return isinstance(one, list) and len(one) == 4 and all(isinstance(part, str) for part in one)

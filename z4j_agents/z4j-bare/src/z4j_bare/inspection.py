"""Every reason for which a command is not carried out, in the order in which it is looked for.

size, schema, signature, audience, project and environment, expiry, the owner's allow-list, the brain's audit log.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final, cast

from z4j_core import revealed, wire
from z4j_core.dsn import DSN
from z4j_core.sealed import is_sealed
from z4j_core.verbs import SUBJECTS, Subject

from z4j_bare import each
from z4j_bare.allow import AllowList
from z4j_bare.clock import now
from z4j_bare.database import Unavailable
from z4j_bare.proofs import Proofs, Unproven
from z4j_bare.trust import Trust, Untrusted

MAX_COMMAND: Final = 1024 * 1024
#: How far our clock and the brain's may be apart before a command counts as expired.
SKEW: Final = 60 * 1_000_000
_NO_MEMORY: Final = "This worker cannot read or write what it remembers of the audit log, so it does not act."
_BEFORE: Final = "Somebody was given it before; nobody here can tell what came of that: look before you ask again."

_FIELDS: Final[dict[str, type]] = {
    "v": int, "id": str, "operation": str, "project": str, "environment": str, "engine": str, "verb": str,
    "audience": str, "fence": int, "issued": int, "expires": int, "targets": list, "params": dict,
}  # fmt: skip


class Unreadable(Exception):
    """Nothing that could be answered: it does not even say which command it is."""


class Refused(Exception):
    """A command that is answered, but not carried out.

    Somebody who was given it before may have: it is `unknown` then, for who reads `refused` would ask again.
    """

    def __init__(
        self, command: wire.Command, why: str, outcome: wire.Outcome = wire.Outcome.REFUSED, code: str = ""
    ) -> None:
        if outcome is wire.Outcome.REFUSED and command["fence"] > 1:
            outcome, why = wire.Outcome.UNKNOWN, f"{why} {_BEFORE}"
        super().__init__(why)
        self.command = command
        self.why = why
        self.outcome = outcome
        self.code = code


class Inspection:
    def __init__(self, dsn: DSN, boot: str, trust: Trust, allow: AllowList, proofs: Proofs) -> None:
        self._dsn = dsn
        self._boot = boot
        self._trust = trust
        self._allow = allow
        self._proofs = proofs

    def prepare(self) -> None:
        """Learn the keys in force before the first command needs them. Raises Unreachable."""
        self._trust.fetch()

    def inspect(self, signed: wire.Signed) -> wire.Command:
        """The command, when it may be carried out. Raises Unreadable, Refused, and Unreachable when keys or proofs are
        needed.
        """
        command = _read(signed)
        try:
            self._trust.body(signed)
        except (Untrusted, ValueError) as error:
            why = str(error) if isinstance(error, Untrusted) else "The signature of this command is not readable."
            raise Refused(command, why) from error
        if command["audience"] != self._boot:
            raise Refused(command, "This command is addressed to another agent.")
        if (command["project"], command["environment"]) != (self._dsn.project, self._dsn.environment):
            raise Refused(command, "This command belongs to another environment.")
        if command["expires"] + SKEW < now():
            raise Refused(command, "This command had expired by this worker's clock.", wire.Outcome.EXPIRED)
        if why := self._allow.refusal(command["verb"]):
            raise Refused(command, why)
        try:
            self._proofs.check(command)
        except Unproven as error:
            raise Refused(command, str(error), code=error.code.value) from error
        except Unavailable as error:
            raise Refused(command, _NO_MEMORY) from error
        return command


def _read(signed: wire.Signed) -> wire.Command:
    if not isinstance(signed, Mapping) or not all(isinstance(signed.get(part), str) for part in ("body", "kid", "sig")):
        raise Unreadable("not a signed body")
    if len(signed["body"]) > MAX_COMMAND:
        raise Unreadable("too large")
    try:
        found = json.loads(base64.b64decode(signed["body"], validate=True))
    except (ValueError, RecursionError) as error:
        raise Unreadable("not JSON in base64") from error
    if not _is_command(found):
        raise Unreadable("not of the schema")
    return cast(wire.Command, found)


def _is_command(found: Any) -> bool:
    if not isinstance(found, dict) or not all(type(found.get(name)) is kind for name, kind in _FIELDS.items()):
        return False
    if found["v"] not in wire.SERVED or len(found["targets"]) > wire.MAX_TARGETS:
        return False
    held_by = found.get("held_by", [])
    if not isinstance(held_by, list) or not all(isinstance(boot, str) for boot in held_by):
        return False
    # Printable: what is refused is logged, and nobody has vouched for it then.
    words = [found[name] for name, kind in _FIELDS.items() if kind is str]
    return all(len(word) <= wire.MAX_ID and word.isprintable() for word in words) and all(
        _is_target(target) and _aims(found["verb"], target) for target in found["targets"]
    )


def _is_target(found: Any) -> bool:
    return (
        isinstance(found, dict)
        and type(found.get("item")) is int
        and isinstance(found.get("task_id"), str)
        and len(found["task_id"]) <= wire.MAX_ID
        and all(
            isinstance(found.get(name, ""), str) and len(found.get(name, "")) <= wire.MAX_NAME
            for name in ("name", "queue", "worker", "vault")
        )
        and ("sealed" not in found or is_sealed(found["sealed"]))
    )


def _aims(verb: str, target: wire.Target) -> bool:
    """Whether a target is what its verb acts on: one task (of a run its name), a schedule, a queue or a worker.

    Of a hello none.
    """
    if verb in ("hello", "ping"):
        return True
    if each.single(verb) == "run":
        return bool(target.get("name"))
    if verb == revealed.VERB or SUBJECTS.get(verb) is Subject.TASK:
        return bool(target["task_id"])
    if SUBJECTS.get(verb) is Subject.SCHEDULE:
        return bool(target.get("name"))
    return bool(target["task_id"] or target.get("queue") or target.get("worker"))

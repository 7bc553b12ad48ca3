"""Showing an original to a person, where the owner of this worker allows it (Z4J_ALLOW=reveal) and nowhere else.

It is opened here and encrypted to the one-time key of whoever asked. That key is among the parameters of the command,
and those are part of what stands in the brain's audit log: without that proof nothing is revealed, whatever the
settings demand of other commands.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final

from z4j_core import revealed, wire
from z4j_core.statement import Refusal

from z4j_bare import seal_keys
from z4j_bare.allow import AllowList
from z4j_bare.seal_keys import SealKeys
from z4j_bare.sealer import Sealer
from z4j_bare.sealing import SUITE, Unopened

NOTE: Final = "opened on this host, and encrypted to a key that only the command line of whoever asked has"
_NO_KEY: Final = "This worker has no key to open sealed originals with (Z4J_SEAL_KEY)."
_UNPROVEN: Final = "A reveal has to prove that it stands in the brain's audit log; this one does not try."
_ONE: Final = "One original is revealed at a time."
_NO_ADDRESS: Final = "What came as the key to reveal it to is none."
_LARGE: Final = "The original has more than {most:,} bytes: it is not revealed through the brain."
_NOTHING: Final = "There is no original of this task: none came with the command, and none is in this worker's vault."

#: The original of a task in this host's vault, or None.
Kept = Callable[[str], bytes | None]


def offer(facts: dict[str, Any], keys: SealKeys, allow: AllowList) -> None:
    """Say of an engine that originals of its tasks can be revealed here, or why not where somebody might expect it."""
    if keys.private:
        facts["capabilities"] = {**facts["capabilities"], revealed.VERB: {"note": NOTE, "support": "native"}}
    elif keys or not allow.refusal(revealed.VERB):
        facts["missing"] = {**facts["missing"], revealed.VERB: _NO_KEY}


def answer(command: wire.Command, target: wire.Target, sealer: Sealer, kept: Kept) -> wire.Result:
    """What is said of this target, with the original in it, encrypted. Nobody is asked to act, and nothing is kept."""
    if command.get("proof") is None:
        return _refused(target, _UNPROVEN, Refusal.PROOF_MISSING.value)
    if len(command["targets"]) != 1:
        return _refused(target, _ONE)
    unopened = sealer.lend(command, target)
    try:
        if unopened is not None and unopened.hostile:
            return _refused(target, str(unopened), unopened.code.value)
        original = kept(target["task_id"])
        original = sealer.lent(target["task_id"]) if original is None else original
    finally:
        sealer.take_back(target)
    if original is None:
        return _unavailable(target, unopened)
    if len(original) > revealed.MOST:
        return _refused(target, _LARGE.format(most=revealed.MOST))
    try:
        blob = _encrypt(command, target, original)
    except ValueError:
        return _refused(target, _NO_ADDRESS)
    return wire.Result(item=target["item"], outcome=wire.Outcome.DONE, revealed=blob)


def _encrypt(command: wire.Command, target: wire.Target, original: bytes) -> str:
    to = seal_keys.public(str(command["params"].get(revealed.TO) or ""))
    bound = revealed.info(
        command["project"], command["environment"], command["engine"], target["task_id"], command["id"]
    )
    return base64.b64encode(SUITE.encrypt(revealed.pack(original), to, info=bound)).decode()


def _refused(target: Mapping[str, Any], why: str, code: str = "") -> wire.Result:
    result = wire.Result(item=target["item"], outcome=wire.Outcome.REFUSED, detail=why)
    return {**result, "code": code} if code else result


def _unavailable(target: wire.Target, unopened: Unopened | None) -> wire.Result:
    result = wire.Result(item=target["item"], outcome=wire.Outcome.ARGS_UNAVAILABLE, detail=_NOTHING)
    return {**result, "detail": str(unopened), "code": unopened.code.value} if unopened is not None else result

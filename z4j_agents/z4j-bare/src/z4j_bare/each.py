"""Many runs in one command: what the brain's own schedules are fired with, however many of them are due at once.

Each target has parameters of its own, as `run` takes them, in `params["each"]` under the number of its item. They are
among what the brain's log holds of the command. It is allowed where `run` is: `run_each` is no word of the settings.
"""

from __future__ import annotations

from typing import Any, Final

from z4j_core import wire
from z4j_core.verbs import RUN_EACH

ONE: Final = "run"
_NONE: Final = "The command does not say what this target is to be run with."


def single(verb: str) -> str:
    """The verb of an adapter, and of the owner's settings, that a verb of the wire is carried out by."""
    return ONE if verb == RUN_EACH else verb


def offer(facts: dict[str, Any]) -> None:
    """Say of an engine that many of its tasks can be run by one command."""
    if ONE in facts["capabilities"]:
        facts["capabilities"] = {**facts["capabilities"], RUN_EACH: facts["capabilities"][ONE]}


def params(command: wire.Command, target: wire.Target) -> dict[str, Any] | None:
    """What this target is to be done with; None where the command is to say it and does not."""
    if command["verb"] != RUN_EACH:
        return command["params"]
    told = command["params"].get("each")
    own = told.get(str(target["item"])) if isinstance(told, dict) else None
    return own if isinstance(own, dict) else None


def unsaid(target: wire.Target) -> wire.Result:
    return wire.Result(item=target["item"], outcome=wire.Outcome.REFUSED, detail=_NONE)

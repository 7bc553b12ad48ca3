"""One thing that has to work between a user's code and the brain, and whether it does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hop:
    """`text` says what was found and `fix` what to do, in sentences that hold no secret. `warning`: it works, but will
    hurt.
    """

    name: str
    ok: bool
    text: str
    fix: str = ""
    warning: bool = False

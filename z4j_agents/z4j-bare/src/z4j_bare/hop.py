"""One thing that has to work between a user's code and the brain, and whether it does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hop:
    """`text` says what was found and `fix` what to do, in sentences that hold no secret. `warning`: it works, but will
    hurt. What others say in them is made printable: a terminal takes no orders from a brain or a broker.
    """

    name: str
    ok: bool
    text: str
    fix: str = ""
    warning: bool = False

    def __post_init__(self) -> None:
        for part in ("name", "text", "fix"):
            object.__setattr__(self, part, _printable(getattr(self, part)))


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else " " if one.isspace() else "?" for one in text)

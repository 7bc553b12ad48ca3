"""Whether arguments fit a function of which the kinds of its parameters are known, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: By position only, either way, by keyword only, any further positions, any further keywords.
POSITION, EITHER, KEYWORD, POSITIONS, KEYWORDS = "p", "e", "k", "a", "w"

Params = Sequence[Sequence[Any]]


def misfit(params: Params, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Why a call would fail, as a sentence; empty when it would not."""
    kinds = {name: kind for name, kind, _ in params}
    positional = [name for name, kind, _ in params if kind in (POSITION, EITHER)]
    if len(args) > len(positional) and POSITIONS not in kinds.values():
        return f"It takes {_number(len(positional))} by position, {len(args)} were given."
    filled = positional[: len(args)]
    if twice := [name for name in filled if name in kwargs and kinds[name] == EITHER]:
        return f"Given by position and by name: {', '.join(twice)}."
    by_name = {name for name, kind in kinds.items() if kind in (EITHER, KEYWORD)}
    if KEYWORDS not in kinds.values() and (strange := sorted(set(kwargs) - by_name)):
        return f"It has no parameter {', '.join(strange)}. It is {text(params)}."
    missing = [
        name
        for name, kind, required in params
        if required
        and kind not in (POSITIONS, KEYWORDS)
        and name not in filled
        and not (name in kwargs and kind != POSITION)
    ]
    return f"Missing: {', '.join(missing)}. It is {text(params)}." if missing else ""


def text(params: Params) -> str:
    """As a person would write it: `(order_id, *, amount=…)`. Defaults are never known."""
    written, starred = [], False
    for place, (name, kind, required) in enumerate(params):
        if kind == KEYWORD and not starred:
            written.append("*")
            starred = True
        starred = starred or kind == POSITIONS
        written.append(
            {POSITIONS: "*", KEYWORDS: "**"}.get(kind, "") + name + ("" if required or kind in "aw" else "=…")
        )
        last = place + 1 == len(params) or params[place + 1][1] != POSITION
        if kind == POSITION and last:
            written.append("/")
    return f"({', '.join(written)})"


def _number(count: int) -> str:
    return "none" if count == 0 else f"at most {count}"

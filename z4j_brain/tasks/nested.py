"""JSON that came with a task: what in it is called like a secret is hidden, whatever kind of value that is.

A name stands before its value in an object, beside it in a pair (`{"name": "password", "value": ...}`), and in front of
it in a list (`["password", ...]`, `["psql", "--password", ...]`). Agents hide the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from z4j_core.marks import MARK
from z4j_core.rules import Rules
from z4j_core.secret_names import PAIR_NAMES, PAIR_VALUES, is_secret, stands_before
from z4j_core.secret_phrases import REDACTED


def clean(value: Any, rules: Rules, text: Callable[[str], str]) -> Any:
    """A value of JSON, whose depth is bounded, without its secrets. `text`: does the same for a text."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, list):
        return _list(value, rules, text)
    if isinstance(value, dict):
        return _object(value, rules, text)
    return value


def _object(value: dict[str, Any], rules: Rules, text: Callable[[str], str]) -> dict[str, Any]:
    pair = next(filter(None, (_mark(rules, said, "") for key, said in value.items() if key.lower() in PAIR_NAMES)), "")
    found = {}
    for key, part in value.items():
        mark = pair if pair and key.lower() in PAIR_VALUES else _mark(rules, key, part)
        found[text(key)] = _hidden(mark, part) if mark else clean(part, rules, text)
    return found


def _list(value: Sequence[Any], rules: Rules, text: Callable[[str], str]) -> list[Any]:
    found: list[Any] = []
    mark = ""
    for position, part in enumerate(value):
        found.append(_hidden(mark, part) if mark else clean(part, rules, text))
        mark = "" if mark else _mark_of_next(value, position, rules)
    return found


def _mark_of_next(value: Sequence[Any], position: int, rules: Rules) -> str:
    """What hides the part behind this one; "" when it may be looked at."""
    name = value[position]
    if position + 1 == len(value) or not isinstance(name, str):
        return ""
    behind, of_pair = value[position + 1], position == 0 and len(value) == 2
    said = behind if isinstance(behind, str) else ""
    return _mark(rules, name, behind) if stands_before(name, said, of_pair=of_pair) else ""


def _mark(rules: Rules, name: Any, value: Any) -> str:
    """What stands for the value of this name; "" when no rule hides it."""
    if not isinstance(name, str):
        return ""
    return rules.named(name) or (REDACTED if is_secret(name, value) else "")


def _hidden(mark: str, value: Any) -> Any:
    """What an agent has hidden already says why, and stays."""
    return value if isinstance(value, str) and MARK.fullmatch(value) else mark

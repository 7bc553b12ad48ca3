"""What would leave a worker: of a value that somebody tries out, in each mode, with an environment's rules.

Nothing of it is kept, logged or told to anybody: what comes in here goes out as its redacted forms alone.
"""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from z4j_core import policy, rules
from z4j_core.marks import MARK
from z4j_core.policy import Policy, Rule
from z4j_core.redaction import Telling

#: As much as can be tried at once.
LONGEST = 16_384


@dataclass(frozen=True, slots=True)
class Told:
    """What leaves in one mode. `hidden`: by rule how many values it hid, the busiest first."""

    mode: str
    text: str
    hidden: list[tuple[str, int]]
    holds: bool = False


def tried(document: Policy, value: str, name: str = "", task: str = "") -> list[Told]:
    """What would leave of a value in each mode. `name`: of the argument that holds it; `task`: whose it is.

    `holds` marks the mode that holds for the task, where a worker's owner chose none.
    """
    found = read(value)
    holds = policy.effective(document, None, task)
    applying = rules.of(document, task)
    return [_told(mode, _leaves(Telling(mode, applying), found, name), holds) for mode in policy.Mode]


def hides(rule: Rule, samples: Sequence[str]) -> list[tuple[str, int]]:
    """What would leave of each sample text where this rule was the project's only one, and how often it hid something.

    A rule for names is tried on `name: value`. Raises ValueError for a rule that cannot be used.
    """
    policy.compiled(rule)
    applying = rules.Rules([rule])
    texts = [applying.redact(sample) for sample in samples]
    return [(text, text.count(f"[redacted:{rule['id']}]")) for text in texts]


def read(text: str) -> Any:
    """A value as it was written: JSON, a literal of Python, else the text itself."""
    for reader in (json.loads, ast.literal_eval):
        try:
            value = reader(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        return value
    return text


def _leaves(telling: Telling, value: Any, name: str) -> str:
    if name:
        return telling.call((), (), {name: value})[1]
    if isinstance(value, str):
        return telling.text(value, LONGEST)
    return telling.value(value, LONGEST)[0]


def _told(mode: str, text: str, holds: str) -> Told:
    hidden = Counter(found["rule"] for found in MARK.finditer(text))
    return Told(str(mode), text, hidden.most_common(), mode == holds)

"""How good redaction is, by examples: what leaks of what must not leave, and what is lost of what may.

A file has one JSON object per line: `id`, `family`, `channel`, `label` (1: there are secrets), `signature` (names of
positional arguments, or null), `data`, `secrets` (none of them may be told) and `keep` (each has to be). In `data`
`{"$py": kind, ...}` stands for what JSON cannot say: bytes, bytearray, dataclass, namedtuple, set, exception, object,
dict_nonstr, deep. A secret leaks in full, or in part where ten characters of it in a row are told.
"""

from __future__ import annotations

import base64
import collections
import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypedDict, cast

from z4j_core.redaction import Redactor
from z4j_core.wire import MAX_ARGUMENTS

#: A part of a secret is so many of its characters in a row; what is shorter than the other is told whole or not.
PART: Final = 10
SHORTEST_IN_PARTS: Final = 12


class Row(TypedDict):
    id: str
    family: str
    channel: str
    label: int
    signature: list[str] | None
    data: Any
    secrets: list[str]
    keep: list[str]


class Family(TypedDict):
    rows: int
    recall: float
    full_leaks: int
    partial: int


class Score(TypedDict):
    """`recall`, `context_kept` and `negatives_intact` are shares of 1; of nothing it is 1. `rows`: what went wrong."""

    recall: float
    full_leaks: int
    partial: int
    context_kept: float
    negatives_intact: float
    by_family: dict[str, Family]
    rows: dict[str, str]


def read(path: Path) -> Iterator[Row]:
    """Raises ValueError, by its line, for what is no example."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from None
            if not (isinstance(row, dict) and Row.__required_keys__ - {"signature"} <= row.keys()):
                raise ValueError(f"{path}, line {number}: an example has {', '.join(sorted(Row.__required_keys__))}.")
            yield cast(Row, row)


def score(redactor: Redactor, rows: Iterable[Row]) -> Score:
    """What `redactor` makes of the examples."""
    wrong: dict[str, str] = {}
    leaks: dict[str, collections.Counter[str]] = {}
    kept: dict[bool, collections.Counter[bool]] = {True: collections.Counter(), False: collections.Counter()}
    for row in rows:
        told = tell(redactor, decode(row["data"]), row["channel"], row.get("signature"))
        secret = bool(row["label"])
        if secret:
            leak = _worst(row["secrets"], told)
            leaks.setdefault(row["family"], collections.Counter())[leak] += 1
            if leak != "none":
                wrong[row["id"]] = leak
        found = [keep in told for keep in row["keep"]]
        kept[secret].update(found)
        if not all(found):
            wrong.setdefault(row["id"], "lost")
    total = sum(leaks.values(), collections.Counter())
    return Score(
        recall=_share(total["none"], total.total()),
        full_leaks=total["full"],
        partial=total["partial"],
        context_kept=_share(kept[True][True], kept[True].total()),
        negatives_intact=_share(kept[False][True], kept[False].total()),
        by_family={name: _family(found) for name, found in sorted(leaks.items())},
        rows=wrong,
    )


def tell(redactor: Redactor, data: Any, channel: str, signature: Sequence[str] | None) -> str:
    """All that would leave of it, by the way that such a value goes in an agent."""
    if isinstance(data, str) and channel != "args":
        return redactor.text(data, MAX_ARGUMENTS)
    if isinstance(data, BaseException):
        return "\n".join(map(str, redactor.error(data).values()))
    if channel == "args":
        return redactor.call(signature, data if isinstance(data, list) else [data], {})[0]
    if channel == "kwargs" and isinstance(data, dict):
        return redactor.call(None, (), data)[1]
    return redactor.value(data, MAX_ARGUMENTS)[0]


def decode(value: Any) -> Any:
    if isinstance(value, Mapping):
        if "$py" in value:
            return _KINDS[value["$py"]](value)
        return {key: decode(item) for key, item in value.items()}
    return [decode(item) for item in value] if isinstance(value, list) else value


def _object(value: Mapping[str, Any]) -> object:
    """Something that would tell all it holds, if it were asked."""
    told = lambda self: f"<{value['name']} {vars(self)}>"  # noqa: E731
    made = type(value["name"], (), {"__repr__": told, "__str__": told})()
    vars(made).update(value["fields"])
    return made


def _deep(value: Mapping[str, Any]) -> Any:
    found = value["leaf"]
    for _ in range(value["n"]):
        found = [found]
    return found


_KINDS: Final[dict[str, Callable[[Mapping[str, Any]], Any]]] = {
    "bytes": lambda value: base64.b64decode(value["b64"]),
    "bytearray": lambda value: bytearray(base64.b64decode(value["b64"])),
    "dataclass": lambda value: dataclasses.make_dataclass(value["name"], list(value["fields"]))(**value["fields"]),
    "namedtuple": lambda value: collections.namedtuple(value["name"], list(value["fields"]))(**value["fields"]),  # type: ignore[misc]  # noqa: PYI024
    "set": lambda value: set(value["items"]),
    "exception": lambda value: type(value["name"], (ValueError,), {})(*value["args"]),
    "object": _object,
    "model": _object,
    "dict_nonstr": lambda value: {tuple(key) if isinstance(key, list) else key: item for key, item in value["items"]},
    "deep": _deep,
}


def _worst(secrets: Sequence[str], told: str) -> str:
    if any(secret in told for secret in secrets):
        return "full"
    return "partial" if any(_leaks_in_part(secret, told) for secret in secrets) else "none"


def _leaks_in_part(secret: str, told: str) -> bool:
    long = len(secret) >= SHORTEST_IN_PARTS
    return long and any(secret[at : at + PART] in told for at in range(len(secret) - PART + 1))


def _family(found: collections.Counter[str]) -> Family:
    rows = found.total()
    return Family(rows=rows, recall=_share(found["none"], rows), full_leaks=found["full"], partial=found["partial"])


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 1.0

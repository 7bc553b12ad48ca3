"""What an environment asks of redaction: its policy, the rules of its project, and which mode holds for a task.

A policy can only tighten what a worker's owner chose. What cannot be read tightens most: `read` and `compiled` raise
ValueError with a sentence for people, and whoever cannot say what holds tells shapes.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Final, TypedDict, cast

from z4j_core.enums import StrEnum
from z4j_core.secret_names import words


class Mode(StrEnum):
    """What is told of values. `redact` tells them without their secrets, `shapes` only types, sizes and names; `seal`
    tells what `shapes` tells, and the original travels so that only a worker can open it.
    """

    REDACT = "redact"
    SHAPES = "shapes"
    SEAL = "seal"


class Rule(TypedDict):
    """A project's own rule. `tasks` is a glob over the names of tasks; "" stands for all.

    Of kind `name`, `match` is the words of a name: `customer ref` hides `customerRef` and `old_customer_ref`. Of kind
    `text` it is a template: `#` is a digit, `@` a letter, `?` a letter or a digit, `+` after one of these 1 to 64 of
    it, `\\` takes the next character as it is written, and so is every other one.
    """

    id: str
    kind: str
    match: str
    tasks: str


class Policy(TypedDict):
    """What the brain's people insist on. `mode` holds for all tasks, an entry of `tasks`, [glob, mode], for some;
    `default` for agents whose owner chose no mode. `seal_key` is an X25519 key in base64, "" when there is none.
    """

    version: str
    mode: str
    default: str
    tasks: list[list[str]]
    rules: list[Rule]
    seal_key: str


MAX_TASKS: Final = 100
MAX_RULES: Final = 50
MAX_MATCH: Final = 100
MAX_GLOB: Final = 200
#: Pieces of a template that may be of any length: each makes a hostile text more expensive.
MAX_RUNS: Final = 3
#: How often `+` repeats, at most.
RUN: Final = 64
LEAST_LITERALS: Final = 3
LEAST_CLASSES: Final = 4

NAME: Final = "name"
TEXT: Final = "text"
_KINDS: Final = (NAME, TEXT)
_ID: Final = re.compile(r"[a-z0-9-]{1,32}")
_ORDER: Final = {mode: place for place, mode in enumerate(Mode)}
_CLASSES: Final = {"#": r"\d", "@": r"[^\W\d_]", "?": r"[^\W_]"}


def strictest(*modes: str) -> Mode:
    """The mode that tells least. Of none: `redact`. Raises ValueError for what is no mode."""
    return max(map(Mode, modes), key=_ORDER.__getitem__, default=Mode.REDACT)


def effective(policy: Policy | None, owner: str | None, task: str, asked: str | None = None) -> Mode:
    """What holds for a task. `policy` None: none has been heard yet. `owner`: what the worker's owner chose, if
    anything. `asked`: what the task itself asks for. A task without a name is held to what any task is held to.
    """
    told = asked or Mode.REDACT
    if policy is None:
        return strictest(owner or Mode.SHAPES, told)
    entries = (mode for glob, mode in policy["tasks"] if covers(glob, task))
    return strictest(owner or policy["default"], policy["mode"], told, *entries)


def covers(glob: str, task: str) -> bool:
    """Whether a glob over names of tasks speaks of this one; "" speaks of all, and each of one without name."""
    return not glob or not task or fnmatchcase(task, glob)


def version(document: Mapping[str, Any]) -> str:
    """Names what a document says: 12 hexadecimal digits over its canonical JSON, without its own `version`."""
    said = {name: value for name, value in document.items() if name != "version"}
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def read(document: Any) -> Policy:
    """A policy, if it is one: every part is there and means something. What it holds beyond that is left alone."""
    if not isinstance(document, dict):
        raise ValueError("A policy is a JSON object.")
    if missing := Policy.__required_keys__ - document.keys():
        raise ValueError(f"A policy also has {', '.join(sorted(missing))}.")
    _mode(document["mode"])
    if _mode(document["default"]) is Mode.SEAL:
        raise ValueError("The default of a policy is redact or shapes.")
    _entries(document["tasks"])
    _rules(document["rules"])
    _key(document["seal_key"])
    if document["version"] != version(document):
        raise ValueError("A policy's version names what it says; this one says something else.")
    return cast(Policy, document)


def compiled(rule: Rule) -> re.Pattern[str]:
    """The pattern of a rule: of kind `text` it is searched in texts, of kind `name` in the words of a name, in lower
    case and with one space between. Linear: no place in a text is looked at more than a few hundred times.
    """
    if not _is_rule(rule):
        raise ValueError("A rule has an id, a kind, a match and the tasks it is for, each of them a text.")
    if not _ID.fullmatch(rule["id"]):
        raise ValueError("The id of a rule has 1 to 32 lower case letters, digits and hyphens.")
    if rule["kind"] not in _KINDS:
        raise ValueError(f"The kind of a rule is one of {', '.join(_KINDS)}.")
    _glob(rule["tasks"])
    if not 0 < len(rule["match"]) <= MAX_MATCH:
        raise ValueError(f"A rule matches 1 to {MAX_MATCH} characters.")
    if not rule["match"].isprintable():
        raise ValueError("A rule matches printable characters within a line.")
    return _compiled(rule["kind"], rule["match"])


@functools.lru_cache(maxsize=256)
def _compiled(kind: str, match: str) -> re.Pattern[str]:
    if kind == TEXT:
        return _template(match)
    found = words(match)
    if not any(len(word) > 1 for word in found):
        raise ValueError("A rule for names has at least one word of two letters or more.")
    return re.compile(rf"(?<![^ ]){re.escape(' '.join(found))}(?![^ ])")


def _template(match: str) -> re.Pattern[str]:
    """Two pieces beside each other of which one has any length never both match a character: there is one way to
    match, so a text that fails has been looked at once.
    """
    parts = _parts(match)
    literals = sum(not is_class for _, is_class, _ in parts)
    if literals < LEAST_LITERALS and len(parts) - literals < LEAST_CLASSES:
        raise ValueError(
            f"A rule needs {LEAST_LITERALS} characters that are written out, or {LEAST_CLASSES} of #, @ and ?: a"
            " shorter one hides too much."
        )
    if sum(runs for _, _, runs in parts) > MAX_RUNS:
        raise ValueError(f"A rule has at most {MAX_RUNS} pieces with + behind them.")
    made: list[str] = []
    at = 0
    while at < len(parts):
        piece, is_class, _ = parts[at]
        alike = at + 1
        while is_class and alike < len(parts) and parts[alike][0] == piece:
            alike += 1
        count, runs = alike - at, sum(part[2] for part in parts[at:alike])
        if runs and alike < len(parts) and _meet(piece, *parts[alike][:2]):
            raise ValueError("What follows a piece with + is of another kind: nobody can tell where that piece ends.")
        made.append(_repeated(piece, count, runs, first=at == 0))
        at = alike
    return re.compile("".join(made))


def _repeated(piece: str, count: int, runs: int, *, first: bool) -> str:
    if runs and first:
        # Looked for where it begins, not at each of its characters; so it may as well be longer than RUN.
        return f"(?<!{piece}){piece}{{{count},}}"
    if runs:
        return f"{piece}{{{count},{count + runs * (RUN - 1)}}}"
    return piece if count == 1 else f"{piece}{{{count}}}"


def _parts(match: str) -> list[tuple[str, bool, bool]]:
    """Its pieces: a pattern, whether that is a class of characters, and whether it may be longer."""
    parts: list[tuple[str, bool, bool]] = []
    signs = iter(match)
    for sign in signs:
        if sign == "+" and parts and parts[-1][1] and not parts[-1][2]:
            parts[-1] = (parts[-1][0], True, True)
        elif sign in _CLASSES:
            parts.append((_CLASSES[sign], True, False))
        elif sign == "\\":
            taken = next(signs, "")
            if not taken:
                raise ValueError("A rule does not end in a single \\: it takes the next character as it is written.")
            parts.append((re.escape(taken), False, False))
        else:
            parts.append((re.escape(sign), False, False))
    return parts


def _meet(kind: str, other: str, is_class: bool) -> bool:
    """Whether a character can be of both."""
    if is_class:
        return {kind, other} != {_CLASSES["#"], _CLASSES["@"]}
    return re.fullmatch(kind, other[-1]) is not None


def _is_rule(rule: Any) -> bool:
    return isinstance(rule, dict) and all(isinstance(rule.get(name), str) for name in Rule.__required_keys__)


def _mode(value: Any) -> Mode:
    if not isinstance(value, str) or value not in list(Mode):
        raise ValueError(f"A redaction mode is one of {', '.join(Mode)}.")
    return Mode(value)


def _glob(value: Any) -> None:
    if not isinstance(value, str) or len(value) > MAX_GLOB:
        raise ValueError(f"The tasks of a rule are a pattern of at most {MAX_GLOB} characters.")


def _entries(value: Any) -> None:
    if not isinstance(value, list) or len(value) > MAX_TASKS:
        raise ValueError(f"A policy names at most {MAX_TASKS} patterns of tasks.")
    for entry in value:
        if not isinstance(entry, list) or len(entry) != 2:
            raise ValueError("An entry of a policy is a pattern of tasks and a mode.")
        _glob(entry[0])
        _mode(entry[1])


def _rules(value: Any) -> None:
    if not isinstance(value, list) or len(value) > MAX_RULES:
        raise ValueError(f"A policy has at most {MAX_RULES} rules.")
    for rule in value:
        compiled(rule)
    if len({rule["id"] for rule in value}) < len(value):
        raise ValueError("Two rules of a policy have the same id.")


def _key(value: Any) -> None:
    try:
        usable = isinstance(value, str) and (not value or len(base64.b64decode(value, validate=True)) == 32)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("The key of a policy is 32 bytes in base64, or nothing.")

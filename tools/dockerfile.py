"""Reads a Dockerfile: its stages and their steps. It knows what ours uses; whatever else stands there is an error."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

#: By instruction, the options that are understood.
KNOWN: dict[str, set[str]] = {
    "FROM": set(), "RUN": set(), "COPY": {"from"}, "WORKDIR": set(), "ENV": set(), "USER": set(), "VOLUME": set(),
    "EXPOSE": set(), "STOPSIGNAL": set(), "CMD": set(), "ENTRYPOINT": set(),
    "HEALTHCHECK": {"interval", "timeout", "start-period", "retries"},
}  # fmt: skip


class Unknown(Exception):
    """A line that is not understood."""


@dataclass(frozen=True)
class Step:
    number: int
    word: str
    rest: str
    options: dict[str, str] = field(default_factory=dict)

    def parts(self) -> list[str]:
        """What stands there as a JSON list: the only form of a command that is run as it stands."""
        try:
            found = json.loads(self.rest)
        except ValueError:
            found = None
        if not isinstance(found, list) or not all(isinstance(part, str) for part in found):
            raise Unknown(f"line {self.number}: {self.word} takes a JSON list here: {self.rest}")
        return [*found]

    def words(self) -> list[str]:
        return shlex.split(self.rest)


@dataclass
class Stage:
    base: str
    name: str = ""
    steps: list[Step] = field(default_factory=list)


def read(text: str) -> list[Stage]:
    stages: list[Stage] = []
    for step in _steps(text):
        if step.word == "FROM":
            words = step.words()
            if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
                raise Unknown(f"line {step.number}: FROM {step.rest}")
            stages.append(Stage(words[0], words[2] if len(words) == 3 else ""))
        elif not stages:
            raise Unknown(f"line {step.number}: {step.word} before the first FROM")
        else:
            stages[-1].steps.append(step)
    return stages


def expand(text: str, known: dict[str, str]) -> str:
    """`$NAME` and `${NAME}`; a name that has no value is an error, other than in Docker."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in known:
            raise Unknown(f"nothing says what ${name} is")
        return known[name]

    return re.sub(r"\$(?:(\w+)|\{(\w+)\})", value, text)


def _steps(text: str) -> Iterator[Step]:
    for number, line in _lines(text):
        word, _, rest = line.partition(" ")
        word, rest, options = word.upper(), rest.strip(), {}
        if word not in KNOWN:
            raise Unknown(f"line {number}: {word} is not known here")
        while found := re.match(r"--([a-z-]+)(?:=(\S+))?\s+", rest):
            if found[1] not in KNOWN[word]:
                raise Unknown(f"line {number}: {word} --{found[1]} is not known here")
            options[found[1]], rest = found[2] or "", rest[found.end() :]
        if word == "RUN" and (rest.startswith("[") or "<<" in rest):
            raise Unknown(f"line {number}: RUN is known as a line of the shell only")
        yield Step(number, word, rest, options)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Whole lines, those that end with a backslash joined, without comments; each with its number."""
    begun = 0
    parts: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"#\s*(syntax|escape|check)\s*=", line):
            raise Unknown(f"line {number}: a directive for Docker: {line}")
        if line.lstrip().startswith("#") or not (line.strip() or parts):
            continue
        begun = begun or number
        parts.append(line.rstrip().removesuffix("\\").strip())
        if not line.rstrip().endswith("\\"):
            yield begun, " ".join(parts)
            begun, parts = 0, []
    if parts:
        raise Unknown(f"line {begun} has no end")


# ── .dockerignore ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Context:
    """The folder that is copied from, less what .dockerignore names."""

    folder: Path
    patterns: tuple[re.Pattern[str], ...]

    @classmethod
    def of(cls, folder: Path) -> Context:
        source = folder / ".dockerignore"
        lines = source.read_text().splitlines() if source.exists() else []
        return cls(folder, tuple(_pattern(line.strip()) for line in lines if line.strip() and line[0] != "#"))

    def ignores(self, path: Path) -> bool:
        name = path.relative_to(self.folder).as_posix()
        return any(pattern.fullmatch(name) for pattern in self.patterns)

    def left_out(self, folder: str, names: list[str]) -> set[str]:
        """As `shutil.copytree` asks for it."""
        return {name for name in names if self.ignores(Path(folder) / name)}


def _pattern(line: str) -> re.Pattern[str]:
    if line.startswith("!") or "[" in line:
        raise Unknown(f".dockerignore: {line} is not known here")
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", line.strip("/"))
    return re.compile("".join(known.get(part, re.escape(part)) for part in parts))

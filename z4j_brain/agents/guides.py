"""What to copy in order to be seen: the lines of each engine and framework, from the files in templates/connect/.

An adapter brings a file and nothing else changes. Its keys: `name` for people; `adapter`, the package; `kind`,
"framework" for those that are no engine; `code`, lines with the place where they go; `start`, what starts a worker;
`doctor`, its own command for that;
`note`, with what is code between backticks; `only`, the frameworks that an engine cannot do without; and below `with`,
by framework, what differs there. Under the name of a language, as `de`, stands what these texts are in it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.utils.translation import get_language

FOLDER = "connect"
#: What examines a project that has no command of its own for it; where this tree lies beside it; what all agents need.
DOCTOR = "z4j-agent doctor --import your_project"
TREE, ALWAYS = "./z4j/z4j_agents", ("z4j-core", "z4j-bare")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of code, and where it goes."""

    place: str
    line: str


@dataclass(frozen=True, slots=True)
class Part:
    """An engine or a framework: `slug` names its file, stands in addresses, and is what agents call the engine."""

    slug: str
    told: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.told["name"])

    def said(self, text: str) -> str:
        """A text of its file in the language of whoever reads; in English where the file does not have it."""
        return str(self.told.get(get_language(), {}).get(text, text))

    @property
    def is_framework(self) -> bool:
        return self.told.get("kind") == "framework"


@dataclass(frozen=True, slots=True)
class Guide:
    """How a project on this engine is connected, alone or within a framework."""

    engine: Part
    framework: Part | None

    def __str__(self) -> str:
        return "-".join(part.slug for part in (self.engine, self.framework) if part)

    @property
    def install(self) -> str:
        parts = [part.told["adapter"] for part in (self.engine, self.framework) if part]
        return "pip install " + " ".join(f"{TREE}/{name}" for name in (*ALWAYS, *parts))

    @property
    def code(self) -> list[Line]:
        lines = [(self.framework, line) for line in self.framework.told.get("code", [])] if self.framework else []
        lines += [(self.engine, line) for line in self._told("code", [])]
        return [Line(part.said(line["place"]), line["line"]) for part, line in lines]

    @property
    def start(self) -> str:
        return str(self._told("start", ""))

    @property
    def note(self) -> list[str]:
        """Text and code by turns."""
        return self.engine.said(str(self._told("note", ""))).split("`")

    @property
    def doctor(self) -> str:
        """What tries the whole way, where the worker runs."""
        return str(self._told("doctor", (self.framework or self.engine).told.get("doctor", DOCTOR)))

    @property
    def lines(self) -> list[str]:
        """All that is copied."""
        return [self.install, *(each.line for each in self.code), self.start, self.doctor]

    def _told(self, key: str, default: Any) -> Any:
        within = self.engine.told.get("with", {}).get(self.framework.slug, {}) if self.framework else {}
        return within.get(key, self.engine.told.get(key, default))


@cache
def parts() -> tuple[Part, ...]:
    """All of them, by name."""
    files = sorted((settings.TEMPLATES_DIR / FOLDER).glob("*.toml"))
    found = (Part(path.stem, tomllib.loads(path.read_text())) for path in files)
    return tuple(sorted(found, key=lambda part: part.name.casefold()))


def engines() -> list[Part]:
    return [part for part in parts() if not part.is_framework]


def frameworks(engine: Part) -> list[Part | None]:
    """Those that an engine goes with; None is none."""
    only = engine.told.get("only")
    fitting = [part for part in parts() if part.is_framework and (not only or part.slug in only)]
    return [*fitting] if only else [None, *fitting]


def every() -> Iterator[Guide]:
    """Each engine with each framework."""
    for engine in engines():
        for framework in frameworks(engine):
            yield Guide(engine, framework)


def chosen(engine: str, framework: str) -> Guide:
    """The guide by these slugs; what there is none of is the first."""
    part = next((one for one in engines() if one.slug == engine.lower()), engines()[0])
    fitting = frameworks(part)
    return Guide(part, next((one for one in fitting if one and one.slug == framework.lower()), fitting[0]))

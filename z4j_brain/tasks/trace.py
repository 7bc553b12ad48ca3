"""A Python traceback taken apart: own frames to open, frames of libraries to fold into one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from django.utils.translation import gettext

_FRAME = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$')
_MARKERS = re.compile(r"^[\s~^]+$")
_LIBRARY = re.compile(r"(site-packages|dist-packages|lib/python3[.\d]*|lib64/python3[.\d]*)/|^<")
#: What runs tasks is none of the user's code, wherever it lies: agents from a tree of sources, and Windows' library.
_ENGINE = re.compile(r"/src/z4j_[a-z]+/|[\\/]Lib[\\/]|site-packages")


@dataclass(frozen=True, slots=True)
class Frame:
    file: str
    line: int
    function: str
    code: str

    @property
    def is_library(self) -> bool:
        return bool(_LIBRARY.search(self.file))

    @property
    def where(self) -> str:
        """The file as its package knows it, or the end of an own path, and the line."""
        known = _LIBRARY.split(self.file)[-1] if self.is_library else "/".join(self.file.split("/")[-3:])
        return f"{known}:{self.line}"

    @property
    def package(self) -> str:
        return _LIBRARY.split(self.file)[-1].split("/")[0].removesuffix(".py")


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring frames that are all own or all of libraries."""

    is_library: bool
    frames: tuple[Frame, ...]

    @property
    def packages(self) -> str:
        names = list(dict.fromkeys(frame.package for frame in self.frames))
        told = ", ".join(names[:3])
        return gettext("%(names)s and others") % {"names": told} if len(names) > 3 else told


def groups(traceback: str) -> list[Group]:
    """The frames of the last exception in a traceback; none when it does not look like one."""
    return [
        Group(library, tuple(run)) for library, run in groupby(_last(traceback), key=lambda frame: frame.is_library)
    ]


def own(traceback: str) -> Iterator[Frame]:
    """The frames of the user's own code in the last exception, innermost first."""
    for frame in reversed(_last(traceback)):
        if not frame.is_library and not _ENGINE.search(frame.file):
            yield frame


def _last(traceback: str) -> list[Frame]:
    lines = traceback.splitlines()
    starts = [at for at, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    return list(_frames(lines[starts[-1] + 1 :] if starts else lines))


def _frames(lines: list[str]) -> Iterator[Frame]:
    for at, line in enumerate(lines):
        found = _FRAME.match(line)
        if found:
            code = [text[4:] for text in _code(lines[at + 1 :])]
            yield Frame(found["file"], int(found["line"]), found["function"] or "", "\n".join(code))


def _code(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith("    "):
            return
        if not _MARKERS.match(line):
            yield line

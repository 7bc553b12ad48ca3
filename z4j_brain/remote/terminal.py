"""What is written where: a result on stdout, as a table for people or as JSON for programs; all else on stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from z4j_brain.remote.trouble import wrong

_COLOURS = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "grey": "2", "bold": "1"}
#: Of states and outcomes; what is not named here has the terminal's own colour.
_HUES = {
    "succeeded": "green",
    "done": "green",
    "failed": "red",
    "lost": "red",
    "rejected": "red",
    "expired": "red",
    "partial": "yellow",
    "paused": "yellow",
    "cancelled": "yellow",
    "started": "blue",
    "running": "blue",
}
WIDEST = 60


class Terminal:
    """`form`: "table", "json", or empty for what suits stdout."""

    def __init__(self, form: str = "") -> None:
        self.is_json = form == "json" or (not form and not sys.stdout.isatty())
        self.can_ask = sys.stdin.isatty() and sys.stderr.isatty()
        dumb = os.environ.get("TERM") == "dumb"
        self.is_coloured = sys.stdout.isatty() and not dumb and not os.environ.get("NO_COLOR")
        self.is_live = sys.stderr.isatty() and not dumb
        self._has_progress = False

    def result(self, document: Any, lines: Sequence[str]) -> None:
        """What the command is for: the document for programs, the lines for people."""
        self.clear()
        text = json.dumps(document, indent=2) if self.is_json else "\n".join(lines)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def say(self, *lines: str) -> None:
        """Beside the result; never in the way of a program that reads it."""
        self._aside("\n".join(lines) + "\n")

    def tell(self, *lines: str) -> None:
        """For people who read the result as a table: before it, on the same stream."""
        if not self.is_json:
            self.clear()
            sys.stdout.write("\n".join(lines) + "\n")
            sys.stdout.flush()

    def trouble(self, document: Mapping[str, Any]) -> None:
        if self.is_json:
            return self.say(json.dumps(document, indent=2))
        title, detail = plain(document.get("title", "Refused")), plain(document.get("detail", ""))
        errors = document.get("errors") or []
        named = [f"  {plain(fault.get('pointer', ''))}: {plain(fault.get('detail', ''))}" for fault in errors]
        said = {title, *(plain(fault.get("detail", "")) for fault in errors)}
        first = f"{title}: {detail}" if detail and detail not in said else title
        return self.say(first, *named)

    def progress(self, text: str) -> None:
        """One line that is written over."""
        if self.is_live:
            width = shutil.get_terminal_size().columns - 1
            self._aside(f"\r\x1b[K{text[:width]}", keep=True)
            self._has_progress = True

    def clear(self) -> None:
        if self._has_progress:
            self._has_progress = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def answer(self, question: str, otherwise: str) -> str:
        """What somebody types; `otherwise` says what to do where nobody can."""
        if not self.can_ask:
            raise wrong(otherwise)
        self._aside(question + " ")
        line = sys.stdin.readline()
        if not line:
            self._aside("\n")
        return line.strip()

    def paint(self, text: str, hue: str = "") -> str:
        """The text in a colour, or in the one that a state has."""
        code = _COLOURS.get(hue or _HUES.get(text.strip(), ""))
        return f"\x1b[{code}m{text}\x1b[0m" if code and self.is_coloured else text

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
        """Columns as wide as they need to be; a text that is too long is cut, but for the last."""
        cells = [[plain(value) for value in row] for row in rows]
        cells = [[*(_cut(text) for text in row[:-1]), *row[-1:]] for row in cells]
        widths = [max(map(_width, column)) for column in zip(heads, *cells, strict=True)]

        def line(row: Sequence[str]) -> list[str]:
            return [text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=True)]

        head = self.paint("  ".join(line(heads)).rstrip(), "bold")
        return [head, *("  ".join(map(self.paint, line(row))).rstrip() for row in cells)]

    def pairs(self, pairs: Sequence[tuple[str, Any]]) -> list[str]:
        """Names and values, those without a value left out."""
        told = [(name, plain(value)) for name, value in pairs if value not in (None, "", [], {})]
        width = max((len(name) for name, _ in told), default=0)
        return [f"{self.paint(name.ljust(width), 'grey')}  {self.paint(text)}" for name, text in told]

    def _aside(self, text: str, *, keep: bool = False) -> None:
        if not keep:
            self.clear()
        sys.stderr.write(text)
        sys.stderr.flush()


def plain(value: Any, keep: str = "") -> str:
    """A value as text that a terminal shows and does not obey: names and errors come from other people's processes."""
    if isinstance(value, dict | list):
        value = json.dumps(value)
    text = "" if value is None else str(value)
    text = text if "\n" in keep else " ".join(text.split("\n"))
    return "".join(one if one in keep or unicodedata.category(one)[0] != "C" else "\ufffd" for one in text)


def _cut(text: str) -> str:
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def writable(stream: TextIO) -> None:
    """Never fail on a character that the terminal's encoding lacks."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure:
        reconfigure(errors="replace")

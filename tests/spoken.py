"""What a page says, in its texts and in the attributes that are heard or seen."""

from __future__ import annotations

from html.parser import HTMLParser

#: Elements whose text is no language's, beside whatever says translate="no".
WORDLESS = {"script", "style", "code", "kbd", "pre"}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
SPOKEN = ("alt", "aria-description", "aria-label", "placeholder", "title")


class Spoken(HTMLParser):
    """`found`: each with its line."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[int, str]] = []
        self._silent: list[str] = []
        self.feed(page)

    def is_silent(self, tag: str, told: dict[str, str | None]) -> bool:
        return tag in WORDLESS or told.get("translate") == "no"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        for name in SPOKEN:
            self.handle_data(told.get(name) or "")
        if tag not in VOID and (self._silent or self.is_silent(tag, told)):
            self._silent.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._silent:
            while self._silent.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if data and not self._silent:
            self.found.append((self.getpos()[0], data))

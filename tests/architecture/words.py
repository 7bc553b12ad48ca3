"""What a page says can be said in another language: every word of a template is marked for translation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from django.template.base import Lexer, Token, TokenType

from tests.architecture.rule import files, rule, text_of

#: The page of components is for who builds pages, and in English.
_FOR_BUILDERS = "templates/style/"
#: Elements whose text is no language's, beside whatever says translate="no".
_NO_WORDS = {"script", "style", "code", "kbd", "pre"}
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_SPOKEN = {"title", "aria-label", "placeholder", "alt", "aria-description"}
#: Names, and units that are written alike everywhere.
_ALIKE = {"z4j", "ms", "min", "id", "API", "DSN", "MFA", "JSON", "CSV", "URL", "UTC", "cron"}
_WORD = re.compile(r"[^\W\d_]{2,}")
#: Words given to a filter or to a tag as they are, which nothing translates.
_GIVEN = re.compile(r"""(?<!_\()"([^"]*)\"""")
_PLAIN_FILTER = re.compile(r'\|(?:default|default_if_none|yesno|pluralize|join|add(?=:"[^-])):"([^"]*)"')
#: An attribute in a block of its own, for the element that the page it extends has around it.
_ATTRIBUTE = re.compile(r'\s*data-[a-z]+="[^"]*"\s*')
_SENTENCE = re.compile(r"^[A-Z][a-z]+( |$)")
_TAGS_WITH_WORDS = ("include", "with")


@rule
def every_word_of_a_template_is_marked_for_translation(root: Path) -> Iterator[str]:
    for name, path in files(root):
        if name.startswith("templates/") and not name.startswith(_FOR_BUILDERS) and path.suffix == ".html":
            yield from (f"{name}:{line}: {said!r} is said in English alone" for line, said in _unmarked(text_of(path)))


def _unmarked(text: str) -> Iterator[tuple[int, str]]:
    """What stands outside `translate` and `blocktranslate`, with its line."""
    bare, inside = [], ""
    for token in Lexer(text).tokenize():
        tag = token.contents.split(" ", 1)[0] if token.token_type == TokenType.BLOCK else ""
        if inside:
            inside = "" if tag == inside else inside
            bare.append("\n" * _lines(token))
        elif tag in ("blocktranslate", "blocktrans", "comment"):
            inside = "end" + tag
        elif token.token_type == TokenType.TEXT:
            bare.append(token.contents)
        else:
            bare.append(" " + "\n" * _lines(token))
            yield from ((token.lineno, said) for said in _in_token(token, tag))
    yield from _Words("".join(bare)).found


def _lines(token: Token) -> int:
    return token.contents.count("\n")


def _in_token(token: Token, tag: str) -> Iterator[str]:
    if token.token_type == TokenType.COMMENT or tag in ("translate", "trans"):
        return
    for said in _PLAIN_FILTER.findall(token.contents):
        if _WORD.search(said) and not set(_WORD.findall(said)) <= _ALIKE:
            yield said
    if tag in _TAGS_WITH_WORDS:
        yield from (said for said in _GIVEN.findall(token.contents) if _SENTENCE.search(said))


class _Words(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[int, str]] = []
        self._silent: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        for name in _SPOKEN & told.keys():
            if not self._silent:
                self._say(told[name] or "")
        if tag not in _VOID and (self._silent or tag in _NO_WORDS or told.get("translate") == "no"):
            self._silent.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        return

    def handle_endtag(self, tag: str) -> None:
        if tag in self._silent:
            while self._silent.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._say(data)

    def _say(self, text: str) -> None:
        if not set(_WORD.findall(text)) <= _ALIKE and not _ATTRIBUTE.fullmatch(text):
            self.found.append((self.getpos()[0], " ".join(text.split())[:60]))

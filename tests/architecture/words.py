"""What a page says can be said in another language: every word of a template is marked for translation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from django.template.base import Lexer, Token, TokenType

from tests.architecture.rule import files, rule, text_of
from tests.spoken import Spoken

#: The page of components is for who builds pages, and in English.
_FOR_BUILDERS = "templates/style/"
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
    yield from _says("".join(bare))


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


def _says(text: str) -> Iterator[tuple[int, str]]:
    """Each text with a word in it that is not alike everywhere, and its line."""
    for line, said in Spoken(text).found:
        if not set(_WORD.findall(said)) <= _ALIKE and not _ATTRIBUTE.fullmatch(said):
            yield line, " ".join(said.split())[:60]

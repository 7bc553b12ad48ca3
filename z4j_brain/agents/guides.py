"""The guides of the connect page: a template for each kind of project, found by looking; an adapter adds a file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from django.conf import settings

FOLDER = "connect"


@dataclass(frozen=True, slots=True)
class Guide:
    """`name` is the file's name and the word of the tab."""

    name: str

    @property
    def template(self) -> str:
        return f"{FOLDER}/{self.name}.html"


@cache
def found() -> tuple[Guide, ...]:
    return tuple(Guide(path.stem) for path in sorted((settings.TEMPLATES_DIR / FOLDER).glob("*.html")))


def chosen(name: str) -> Guide:
    """The guide by this name, else the first."""
    return next((guide for guide in found() if guide.name == name), found()[0])

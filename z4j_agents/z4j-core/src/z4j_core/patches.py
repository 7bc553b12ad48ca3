"""Methods of a library's classes, each with a word of ours around it, and back again."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


class Patches:
    """On classes, so that every instance of the process has them, also one that is made later."""

    def __init__(self) -> None:
        self._originals: list[tuple[type, str, Any]] = []

    def around(self, owner: type, name: str, word: Callable[..., Any]) -> None:
        """`word(original, self, *args, **kwargs)` is called in place of the method."""
        original = getattr(owner, name)
        self._originals.append((owner, name, original))

        @functools.wraps(original)
        def method(instance: Any, *args: Any, **kwargs: Any) -> Any:
            return word(original, instance, *args, **kwargs)

        setattr(owner, name, method)

    def undo(self) -> None:
        while self._originals:
            owner, name, original = self._originals.pop()
            setattr(owner, name, original)

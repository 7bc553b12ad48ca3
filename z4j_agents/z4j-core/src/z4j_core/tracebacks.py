"""Where an exception came from: file, line and function of each frame, and which words of its message are source code.

Frames hold the user's data; nothing here keeps one or reads a local variable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import CodeType
from typing import Final

FIRST_FRAMES: Final = 10
LAST_FRAMES: Final = 40

#: A word as prose has it: letters, perhaps an apostrophe or a hyphen, perhaps a mark at its end.
_WORD: Final = re.compile(r"[\"'(]?[A-Za-z]{1,20}(?:['-][A-Za-z]{1,20})?[\"')]?[.,:;!?]?")


def frames(error: BaseException) -> Iterator[str]:
    """The frames from the outermost to where it was raised, one line each; the middle of a deep stack is left out."""
    found: list[tuple[CodeType, int]] = []
    trace = error.__traceback__
    while trace is not None:
        found.append((trace.tb_frame.f_code, trace.tb_lineno))
        trace = trace.tb_next
    for position, (code, line) in enumerate(found):
        if position == FIRST_FRAMES and len(found) > FIRST_FRAMES + LAST_FRAMES:
            yield f"  … {len(found) - FIRST_FRAMES - LAST_FRAMES} frames …\n"
        if position < FIRST_FRAMES or position >= len(found) - LAST_FRAMES:
            name = getattr(code, "co_qualname", code.co_name)  # Python 3.10 knows the plain name only
            yield f'  File "{code.co_filename}", line {line}, in {name}\n'


def source_words(error: BaseException) -> frozenset[str]:
    """The plain words of the text constants in the function that raised `error`.

    Whatever is written in the source is not data, unless somebody wrote a secret there: a word with a digit, an
    underscore or any other sign in it is therefore none.
    """
    code = None
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        trace = trace.tb_next
    if code is None:
        return frozenset()
    texts = (constant for constant in code.co_consts if isinstance(constant, str))
    return frozenset(word for text in texts for word in text[:2000].split() if _WORD.fullmatch(word))

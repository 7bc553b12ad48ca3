"""What keeps a command from being done, and the exit code that says so to a script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DONE, FAILED, WRONG, PARTIAL, AWAITING, INTERRUPTED = 0, 1, 2, 3, 4, 130
#: Answers that say: what was sent is wrong. Sent again, it is wrong again.
_WRONG_STATUS = frozenset({400, 404, 405, 411, 413, 414, 415, 422, 431})
#: Of those, what was right when it was sent: the world is not as it was thought to be.
_REFUSED_CODES = frozenset({"nothing_matches", "preview_gone"})


class Trouble(Exception):
    """Ends the command. `document` is an RFC 9457 problem: the brain's own, or one of the same shape."""

    def __init__(self, code: int, document: Mapping[str, Any]) -> None:
        super().__init__(str(document.get("detail") or document.get("title")))
        self.code, self.document = code, dict(document)


class Unreachable(Trouble):
    """No answer came. Whether the request arrived is not known."""


def wrong(detail: str, pointer: str = "") -> Trouble:
    """Something that was asked for cannot be meant."""
    return Trouble(WRONG, _document("usage", "Not understood", detail, pointer))


def refused(code: str, title: str, detail: str) -> Trouble:
    return Trouble(FAILED, _document(code, title, detail))


def unreachable(detail: str) -> Unreachable:
    return Unreachable(FAILED, _document("unreachable", "No answer", detail))


def answered(status: int, document: Mapping[str, Any]) -> Trouble:
    """The problem that the brain has answered with."""
    is_wrong = status in _WRONG_STATUS and document.get("code") not in _REFUSED_CODES
    return Trouble(WRONG if is_wrong else FAILED, document)


def _document(code: str, title: str, detail: str, pointer: str = "") -> dict[str, Any]:
    errors = [{"pointer": pointer, "detail": detail}] if pointer else []
    return {"code": code, "title": title, "detail": detail, "errors": errors}

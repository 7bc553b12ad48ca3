"""The brain's REST API as the command line calls it: with a timeout, and again when that can do no harm."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener
from uuid import uuid4

from z4j_brain.remote.place import Place
from z4j_brain.remote.trouble import Trouble, answered, refused, unreachable

#: Times that one call is tried, and the longest that is waited before another.
TRIES = 6
LONGEST_REST = 30.0
#: Answers that mean "not now": nothing was done, and the same may be asked again.
_NOT_NOW = frozenset({429, 503})
#: What a proxy says while the brain behind it is away. Whether the request got there is not known.
_AWAY = frozenset({502, 504})
#: The first request under the same Idempotency-Key is still being answered.
_IN_PROGRESS = "in_progress"
MAX_ANSWER = 64 * 1024 * 1024
PAGE = 200


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would carry the token to wherever it points."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


@dataclass(slots=True)
class Client:
    """Asks one brain about one environment. `timeout`: seconds of silence after which a call is given up. `waits` is
    told why, before a call is made once more.
    """

    place: Place
    timeout: float = 60.0
    waits: Callable[[str], object] = str
    _opener: OpenerDirector = field(init=False)

    def __post_init__(self) -> None:
        proxies = [ProxyHandler({})] if self.place.is_here else []
        self._opener = build_opener(_NoRedirect, *proxies)

    def get(self, path: str, **query: str) -> dict[str, Any]:
        return self._call("GET", path + (f"?{urlencode(query)}" if query else ""), None, {}, again=True)

    def take(self, path: str) -> dict[str, Any]:
        """What is handed out once: an answer that gets lost is not to be had again. Raises Unreachable then."""
        return self._call("GET", path, None, {}, again=False)

    def pages(self, path: str, query: Mapping[str, str]) -> Iterator[list[dict[str, Any]]]:
        """The rows of a list, page by page; a page may be empty and another follow."""
        asked: dict[str, str] | None = dict(query)
        while asked is not None:
            page = self.get(path, **asked)
            # Only the cursor of `next`: behind a proxy the brain may know itself by another address.
            cursor = parse_qs(urlsplit(page["next"] or "").query).get("cursor")
            asked = {**query, "cursor": cursor[0]} if cursor else None
            yield page["results"]

    def post(self, path: str, body: Mapping[str, Any], *, again: bool) -> dict[str, Any]:
        """`again`: done twice it is as if done once, so that a lost answer may be asked for once more."""
        return self._call("POST", path, body, {}, again=again)

    def change(self, path: str, body: Mapping[str, Any], etag: str) -> dict[str, Any]:
        """What it is about is changed only while it is as this ETag says: so that nothing of it is done twice."""
        return self._call("PATCH", path, body, {"If-Match": etag}, again=False)

    def text(self, path: str, query: Mapping[str, str]) -> str:
        """An answer that is a file of plain text."""
        asked = path + (f"?{urlencode(query)}" if query else "")
        found = self._call("GET", asked, None, {"Accept": "text/plain"}, again=True, reads=_text)
        return str(found["text"])

    def ask(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """One operation and no more, however often the answer gets lost."""
        return self._call("POST", "operations/", body, {"Idempotency-Key": str(uuid4())}, again=True)

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        *,
        again: bool,
        reads: Callable[[bytes], dict[str, Any] | None] | None = None,
    ) -> dict[str, Any]:
        request = self._request(method, path, body, headers)
        for rest in (*_rests(TRIES - 1), None):
            try:
                return self._answer(request, reads or _json)
            except HTTPError as error:
                document = _problem(error)
                if rest is None or not _is_passing(error.code, document, again=again):
                    raise _ended(error.code, document) from None
                self.waits("The brain asks for a moment ...")
                time.sleep(_wanted(error.headers.get("Retry-After"), rest))
            except (OSError, http.client.HTTPException) as error:
                if rest is None or not again or _is_final(error):
                    raise unreachable(f"{self.place.url} does not answer: {_words(error)}.") from None
                self.waits("No answer, once more ...")
                time.sleep(rest)
        raise AssertionError("the last try returns or raises")

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Request:
        url = f"{self.place.url}/api/v1/{quote(self.place.path)}/{path}"
        sent = {"Authorization": f"Bearer {self.place.token}", "Accept": "application/json", **headers}
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            sent["Content-Type"] = "application/json"
        return Request(url, content, sent, method=method)  # noqa: S310 - place.py takes http and https only

    def _answer(self, request: Request, reads: Callable[[bytes], dict[str, Any] | None]) -> dict[str, Any]:
        with self._opener.open(request, timeout=self.timeout) as answer:
            content = answer.read(MAX_ANSWER + 1)
        document = reads(content) if len(content) <= MAX_ANSWER else None
        if document is None:
            raise refused("no_brain", "Not a brain", f"What answers at {self.place.url} is not the API of a brain.")
        return document


def _text(content: bytes) -> dict[str, Any] | None:
    """A page of somebody else's is no file of a brain's."""
    text = content.decode(errors="replace")
    return None if text.lstrip().startswith("<") else {"text": text}


def _rests(number: int) -> Iterator[float]:
    """Seconds to wait before each further try, where the brain names none."""
    yield from (min(0.25 * 2**step, LONGEST_REST) for step in range(number))


def _wanted(header: str | None, usual: float) -> float:
    if header and header.isascii() and header.isdigit():  # else a date: no brain says one, a proxy might
        return min(max(float(header), 0.1), LONGEST_REST)
    return usual


def _is_passing(status: int, document: Mapping[str, Any], *, again: bool) -> bool:
    return status in _NOT_NOW or (again and (status in _AWAY or document.get("code") == _IN_PROGRESS))


def _ended(status: int, document: Mapping[str, Any]) -> Trouble:
    return unreachable(str(document.get("detail", ""))) if status in _AWAY else answered(status, document)


def _is_final(error: Exception) -> bool:
    reason = getattr(error, "reason", error)
    return isinstance(reason, ssl.SSLCertVerificationError)


def _words(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return "it took too long"
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return str(text).rstrip(".")


def _problem(error: HTTPError) -> dict[str, Any]:
    """The problem document of an answer; one of ours where a proxy or a stranger has answered."""
    try:
        with error:
            document = _json(error.read(MAX_ANSWER))
    except (OSError, http.client.HTTPException):
        document = None
    if document is not None and "title" in document:
        return document
    if 300 <= error.code < 400:
        target = error.headers.get("Location", "elsewhere")
        detail = f"The address leads to {target}. The token is not sent there: say that address itself."
    else:
        detail = f"{error.geturl()} answers {error.code} {error.reason}."
    return {"title": "Not a brain's answer", "status": error.code, "detail": detail, "code": "no_brain", "errors": []}


def _json(content: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(content)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None

"""What went wrong, as RFC 9457 tells it: one shape for every error of the API."""

from __future__ import annotations

import json
import logging
import random
import sys
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any, NotRequired, TypedDict

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views import defaults
from rest_framework import exceptions
from rest_framework.views import set_rollback

from z4j_brain.lib import disk

logger = logging.getLogger(__name__)

TYPE = "https://z4j.dev/problems/"
CONTENT_TYPE = "application/problem+json"


class Fault(TypedDict):
    """One thing that is wrong with a request; `pointer` is `#/field` in a body, or the name of a query parameter."""

    pointer: str
    detail: str
    code: NotRequired[str]


class Problem(Exception):
    """The request cannot be answered."""

    def __init__(self, status: int, code: str, title: str, detail: str = "", errors: Sequence[Fault] = ()) -> None:
        super().__init__(detail or title)
        self.status, self.code, self.title, self.detail = status, code, title, detail or title
        self.errors = list(errors)
        self.headers: dict[str, str] = {}

    def body(self) -> dict[str, Any]:
        return {
            "type": TYPE + self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "errors": self.errors,
        }

    def response(self) -> HttpResponse:
        content = json.dumps(self.body()).encode()
        return HttpResponse(content, status=self.status, content_type=CONTENT_TYPE, headers=self.headers)


def unavailable(code: str, detail: str) -> Problem:
    """Not now: the same request may well be answered in a moment."""
    problem = Problem(503, code, gettext("Not now"), detail)
    problem.headers["Retry-After"] = str(random.randint(1, 3))  # noqa: S311 - not all at the same moment
    return problem


def store_away(error: BaseException) -> Problem:
    """The database was not there, went away in the middle, or has no room left."""
    if disk.is_full(error):
        disk.release()
        logger.error("disk_full error=%s", str(error).strip())
        return unavailable(
            "disk_full", gettext("The disk of the database is full: make room on it. What was asked is not done.")
        )
    logger.warning("store_away error=%s", str(error).strip())
    return unavailable("store_away", gettext("The database cannot be reached."))


def refuse_when_low() -> None:
    """Events are refused while there is still room for everything else. Whoever sends them keeps them."""
    room = disk.space()
    if room is not None and room.is_refusing:
        problem = unavailable("disk_low", "The brain's disk is nearly full: it takes no events until there is room.")
        problem.headers["Retry-After"] = "10"
        raise problem


def handler(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """The exception handler of Django REST framework. None lets an error of ours be a 500."""
    problem = of(error)
    if problem is None:
        return None
    set_rollback()
    return problem.response()


def of(error: Exception) -> Problem | None:
    """The problem that an exception stands for."""
    match error:
        case Problem():
            return error
        case Http404():  # before PermissionDenied: what is hidden is both
            return Problem(404, "not_found", gettext("Not found"), gettext("There is no such thing here."))
        case PermissionDenied():
            rule = getattr(error, "rule", "refused")
            return Problem(403, rule, gettext("Refused"), str(error) or gettext("You may not do this."))
        case exceptions.ValidationError():
            return _invalid(error.detail)
        case ValidationError():
            return _of_action(error)
        case exceptions.APIException():
            return _of_framework(error)
        case OperationalError() | InterfaceError():
            return store_away(error)
    return None


def by_field(error: ValidationError, rest: str = "general") -> dict[str, list[str]]:
    """What is wrong, for a form: by the name of a field, or by `rest` where it belongs to none."""
    return error.message_dict if hasattr(error, "error_dict") else {rest: error.messages}


def _invalid(detail: Any) -> Problem:
    return Problem(
        400,
        "invalid",
        gettext("Invalid request"),
        gettext("Some of what was sent is not valid."),
        list(_faults(detail)),
    )


def _of_action(error: ValidationError) -> Problem:
    if hasattr(error, "error_dict"):
        return _invalid(error.message_dict)
    return Problem(400, getattr(error, "code", None) or "invalid", gettext("Invalid request"), " ".join(error.messages))


def _of_framework(error: exceptions.APIException) -> Problem:
    codes = error.get_codes()
    code = codes if isinstance(codes, str) else error.default_code
    problem = Problem(error.status_code, code, HTTPStatus(error.status_code).phrase, str(error.detail))
    if challenge := getattr(error, "auth_header", None):
        problem.headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        problem.headers["Retry-After"] = str(int(wait) + 1)
    return problem


def _faults(detail: Any, path: str = "#") -> Iterator[Fault]:
    match detail:
        case dict():
            for key, value in detail.items():
                yield from _faults(value, path if key == "non_field_errors" else f"{path}/{key}")
        case list():
            for index, value in enumerate(detail):
                yield from _faults(value, f"{path}/{index}" if isinstance(value, dict | list) else path)
        case _:
            yield Fault(pointer=path, detail=str(detail))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404: a problem under /api/, a page elsewhere."""
    if request.path.startswith("/api/"):
        return Problem(404, "not_found", "Not found", "There is no such thing here.").response()
    return defaults.page_not_found(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400: a Host that is not ours, a request it could not read."""
    if request.path.startswith("/api/"):
        return Problem(400, "bad_request", "Bad request", "The brain could not read this request.").response()
    return defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500. A database that is away is no error of ours: what was asked may be asked again."""
    error = sys.exc_info()[1]
    away = store_away(error) if isinstance(error, OperationalError | InterfaceError) else None
    if request.path.startswith(("/api/", "/agent/")):
        internal = Problem(500, "internal", "Internal error", "The brain failed to answer; its log says why.")
        return (away or internal).response()
    if away is None:
        return defaults.server_error(request)
    # Without the request: nothing on the page may ask the database.
    answer = render(None, "503.html", {"code": away.code}, status=503)
    answer["Retry-After"] = away.headers["Retry-After"]
    return answer

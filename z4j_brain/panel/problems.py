"""Errors as pages: what the API tells as a problem, a person reads as a sentence with a way on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext

from z4j_brain.lib.problem import Problem


def _nul() -> Problem:
    return Problem(400, "invalid", gettext("Invalid request"), gettext("A text here holds no NUL."))


class ProblemMiddleware:
    """Shows a `Problem` that a page raised. The API's handler has answered its own before it comes here."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """No text that is kept holds a NUL, and PostgreSQL takes none: who sends one is told so, wherever it stands."""
        if request.path.startswith(("/api/", "/agent/")):
            return None
        said = [text for query in (request.GET, request.POST) for _, texts in query.lists() for text in texts]
        if not any("\0" in text for text in said):
            return None
        return self.process_exception(request, _nul())

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, Problem) or request.path.startswith("/api/"):
            return None
        context = {"title": error.title, "problem": error}
        return render(request, "problem.html", context, status=error.status)

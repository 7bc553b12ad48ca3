"""Presenter mode: what a session shows while others look on. It holds for that session, until its person ends it.

No value of any task can be shown meanwhile (see `rbac.onshow`), and every page is masked last of all (see `masks`), so
that no template has to think of it.
"""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from z4j_brain.panel import masks
from z4j_brain.rbac import onshow


@require_POST
@login_required
def switch(request: HttpRequest) -> HttpResponse:
    """Begin or end it, and go back to the page."""
    onshow.present(request.session, request.POST.get("on") == "1")
    back = request.headers.get("Referer", "")
    return redirect(back if url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}) else "home")


class PresenterMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        presenting = bool(request.session.session_key) and onshow.is_presenting(request.session)
        response = self.get_response(request)
        # Also the answer to the click that ends it is still a page for others.
        if presenting and not response.streaming and response.get("Content-Type", "").startswith("text/html"):
            response.content = masks.masked(response.content.decode(), masks.told()).encode()
        return response

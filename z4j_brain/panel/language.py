"""The panel in its reader's language. What programs read and what is stored is in English, whoever asked for it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

#: Beginnings of addresses that programs ask.
ENGLISH = ("/api/", "/agent/", "/metrics", "/healthz", "/readyz")


class LanguageMiddleware(LocaleMiddleware):
    """By the cookie of `set_language`, else by Accept-Language, else English."""

    def process_request(self, request: HttpRequest) -> None:
        if not request.path_info.startswith(ENGLISH):
            return super().process_request(request)
        translation.activate("en")
        request.LANGUAGE_CODE = "en"
        return None

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        return response if request.path_info.startswith(ENGLISH) else super().process_response(request, response)

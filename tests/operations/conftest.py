"""Asking over the API, as people, tokens and the panel's own pages do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from tests.cast import Cast

Post = Callable[..., HttpResponse]


@pytest.fixture
def ask(client: Client, cast: Cast) -> Post:
    """POST below harbor's production, as oscar unless told otherwise."""

    def ask(path: str, who: str = "oscar", key: str = "", **body: Any) -> HttpResponse:
        headers = {"Idempotency-Key": key} if key else {}
        return client.post(
            f"/api/v1/harbor/production/{path}",
            json.dumps(body),
            content_type="application/json",
            headers=headers,
            **cast.bearer(who),
        )

    return ask

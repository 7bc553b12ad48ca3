"""Where requests come in: the agents' hot routes as raw ASGI, the panel's websocket, and Django for the rest."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "z4j_brain.settings")
django_application = get_asgi_application()

# Django's apps have to be ready before anything that imports models.
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402

from z4j_brain.gateway import asgi as gateway  # noqa: E402
from z4j_brain.lib import nudge  # noqa: E402
from z4j_brain.lib.arrival import arrive  # noqa: E402
from z4j_brain.urls import websocket_urlpatterns  # noqa: E402

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

websocket_application = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)))


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    nudge.bind(asyncio.get_running_loop())
    scope = arrive(scope)
    if scope["type"] == "websocket":
        await websocket_application(scope, receive, send)
        return
    raw = gateway.route(scope) if scope["type"] == "http" else None
    await (raw or django_application)(scope, receive, send)

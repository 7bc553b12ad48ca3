"""Connects the task engines of a FastAPI (or any Starlette) application to z4j.

    import z4j_fastapi
    z4j_fastapi.install(app)                        # settings from Z4J_* in the environment
    z4j_fastapi.install(app, DSN="https://...")     # or given here

Nothing starts here: the agent starts with the first task that a process sends, and ends with the application.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import z4j_bare
from starlette.applications import Starlette
from z4j_core import safety

__all__ = ["install"]


def install(app: Starlette, **settings: Any) -> bool:
    """Hand these settings to the agent and attach the engines that the application uses: now, and once more when it
    has started, since it may import its tasks late. False: no DSN, or settings that are not usable. Never raises.
    """
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(running: Any) -> AsyncIterator[Any]:
        async with inner(running) as state:
            # Once more: the application may have imported its tasks, or started its broker, only now.
            with safety.guard("fastapi.startup"):
                z4j_bare.configure(**settings)
            try:
                yield state
            finally:
                # The server ends this process, perhaps without an exit handler: what waits in memory is written first.
                z4j_bare.agent().flush()

    app.router.lifespan_context = lifespan
    with safety.guard("fastapi.install"):
        return z4j_bare.configure(**settings)
    return False

"""One line in the module that `arq` is started with: the settings of a worker, with our word at its start and its end.

arq reads what a settings class itself defines, nothing it inherits; it hands its hooks a context, and not the worker.
The worker is the one that calls the hook: it is found in the frame of the caller.
"""

from __future__ import annotations

import logging
import sys
import types
from collections.abc import Awaitable, Callable
from typing import Any

from arq.worker import Worker, func, get_kwargs
from z4j_core.safety import guard

from z4j_arq.engine import ArqEngine, present
from z4j_arq.seams import parameters

logger = logging.getLogger(__name__)

Hook = Callable[[dict[Any, Any]], Awaitable[None]]


def instrument(settings: Any) -> Any:
    """What is given to arq instead: a class for a class, a dict for a dict, the worker itself for a worker."""
    if isinstance(settings, Worker):
        return _instrument_worker(settings)
    given: dict[str, Any] = get_kwargs(settings)
    if isinstance(given.get("on_startup"), Startup):
        return settings
    _introduce(given)
    ours = {**given, "on_startup": Startup(given.get("on_startup")), "on_shutdown": Shutdown(given.get("on_shutdown"))}
    if isinstance(settings, dict):
        return {**settings, **ours}
    if not isinstance(settings, type):
        return types.SimpleNamespace(**ours)
    names = {name: getattr(settings, name, None) for name in ("__module__", "__qualname__", "__doc__")}
    return types.new_class(settings.__name__, (settings,), exec_body=lambda body: body.update({**names, **ours}))


def _instrument_worker(worker: Any) -> Any:
    if not isinstance(worker.on_startup, Startup):
        worker.on_startup = Startup(worker.on_startup, worker)
        worker.on_shutdown = Shutdown(worker.on_shutdown)
        names = ("redis_settings", "queue_name", "job_serializer", "job_deserializer", "expires_extra_ms")
        given = {name: getattr(worker, name) for name in names}
        _introduce({**given, "functions": list(worker.functions.values()), "redis_pool": worker._pool})
    return worker


def _introduce(given: dict[str, Any]) -> None:
    """Tell the agent of this process, if there is one. It does nothing before a worker starts or a job is enqueued."""
    with guard("arq.instrument"):
        engine = present()
        engine.know(given)
        for function in given.get("functions") or ():
            if not isinstance(function, str):  # a path: it is imported when the worker is made
                made = function if hasattr(function, "coroutine") else func(function)
                engine.parameters.setdefault(made.name, parameters(made.coroutine))


class Startup:
    """arq's hook before a worker takes its first job. Ours comes first: the user's own may enqueue jobs already."""

    def __init__(self, theirs: Hook | None, worker: Worker | None = None) -> None:
        self.theirs = theirs
        self._worker = worker

    async def __call__(self, ctx: dict[Any, Any]) -> None:
        with guard("arq.startup"):
            worker = self._worker or _calling(sys._getframe(1))
            if worker is None:
                logger.error("The z4j agent cannot find the arq worker that starts here: its jobs are not observed.")
            else:
                present().serve(worker)
        if self.theirs is not None:
            await self.theirs(ctx)


class Shutdown:
    """arq's hook after a worker has ended its last job."""

    def __init__(self, theirs: Hook | None) -> None:
        self.theirs = theirs

    async def __call__(self, ctx: dict[Any, Any]) -> None:
        try:
            if self.theirs is not None:
                await self.theirs(ctx)
        finally:
            with guard("arq.shutdown"):
                if ArqEngine.installed is not None:
                    await ArqEngine.installed.leave()


def _calling(frame: types.FrameType | None) -> Worker | None:
    """The worker whose method called us, or called who called us."""
    for _ in range(10):
        if frame is None:
            return None
        found = frame.f_locals.get("self")
        if isinstance(found, Worker):
            return found
        frame = frame.f_back
    return None

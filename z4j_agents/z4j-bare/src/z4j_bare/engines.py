"""Which engines this process has: entry points whose library is imported already, or that the settings name."""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection, Iterator
from importlib.metadata import entry_points

from z4j_core import safety
from z4j_core.engine import ENGINE_GROUP, Engine

logger = logging.getLogger(__name__)


def discover(named: Collection[str], known: Collection[str]) -> Iterator[Engine]:
    """Adapters of `named` engines and of those in use here, without those `known`. One that fails is left out."""
    for found in entry_points(group=ENGINE_GROUP):
        if found.name not in known and (found.name in named or found.name in sys.modules):
            with safety.guard(f"engine.{found.name}"):
                yield found.load()()


def fits(engine: Engine) -> bool:
    if engine.port == Engine.port:
        return True
    logger.error("engine=%s port=%s this agent speaks port %s", engine.name, engine.port, Engine.port)
    return False

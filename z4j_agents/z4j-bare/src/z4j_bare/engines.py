"""Which engines and schedulers this process has: entry points whose library is imported already, or, of engines, that
the settings name.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection, Iterator
from importlib.metadata import EntryPoint, entry_points

from z4j_core import safety
from z4j_core.adapter import Adapter
from z4j_core.engine import ENGINE_GROUP
from z4j_core.scheduler import SCHEDULER_GROUP

from z4j_bare.problems import Problems

logger = logging.getLogger(__name__)


def discover(named: Collection[str], known: Collection[str], problems: Problems) -> Iterator[Adapter]:
    """Adapters of `named` engines and of those in use here, without those `known`. One that fails is left out, and so
    is one that finds nothing of its engine to attach to, yet.
    """
    for found in entry_points(group=ENGINE_GROUP):
        if found.name not in known and (found.name in named or found.name in sys.modules):
            yield from _made(found, problems)


def schedulers(known: Collection[str], problems: Problems) -> Iterator[Adapter]:
    """Adapters of schedulers in use here, without those `known` by name. Their entries are called by the modules that
    are looked for.
    """
    for found in entry_points(group=SCHEDULER_GROUP):
        if found.name in sys.modules:
            for scheduler in _made(found, problems):
                if scheduler.name not in known:
                    yield scheduler


def _made(found: EntryPoint, problems: Problems) -> Iterator[Adapter]:
    """It, unless it fails, or finds nothing to attach to, yet."""
    try:
        adapter = found.load().find()
    except Exception as error:
        safety.record(f"engine.{found.name}", error)
        text = f"The adapter of {found.name} cannot be imported ({type(error).__name__}); it is not observed."
        problems.tell(found.name, "import_failed", text)
    else:
        problems.over(found.name, "import_failed")
        if adapter is not None:
            yield adapter


def fits(engine: Adapter, problems: Problems) -> bool:
    port = engine.of_port.port
    if engine.port == port:
        return True
    logger.error("engine=%s port=%s this agent speaks port %s", engine.name, engine.port, port)
    text = f"The adapter of {engine.name} is made for port {engine.port}, this agent speaks port {port}."
    problems.tell(engine.name, "other_port", f"{text} Install releases of both that belong together.")
    return False


def is_second_app(engine: Adapter, first: Adapter, problems: Problems) -> bool:
    """Another app of an engine that is observed already. True: that is news."""
    if engine.bound is None or first.bound is None or engine.bound is first.bound:
        return False
    text = f"This process has a second {engine.name} app. Only the first one is observed."
    return problems.tell(engine.name, "second_app", text)

"""The z4j agent: reports what task engines do in this process, and carries out what the owner of it allows.

    agent()             the agent of this process; a silent one when there is no DSN
    configure(...)      settings of a framework adapter, above those of the environment
    settings()          what configure was given
    look_again(...)     attach engines that have come into use since
    attach(adapter)     an adapter presents itself (entry point `z4j.agent`)

With no DSN nothing happens at all: no thread, no file, no connection.
"""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any

from z4j_core import safety
from z4j_core.adapter import Adapter, Host

from z4j_bare.config import Config, InvalidSetting
from z4j_bare.runtime import Agent
from z4j_bare.silence import Silence

__all__ = ["agent", "attach", "configure", "look_again", "settings"]

logger = logging.getLogger(__name__)

_given: dict[str, Any] = {}
_current: Agent | Silence | None = None
_looking = threading.Lock()
_seen = 0


def agent() -> Host:
    """What to report to. It never raises, and does nothing before the first event."""
    return _agent()


def configure(**settings: Any) -> bool:
    """Use these settings (DSN, REDACTION, ALLOW, DENY, READ_ONLY, SPOOL_DIR, ENGINES, INSECURE, ...), which win over
    Z4J_* in the environment, and attach the engines that are in use here. False: no DSN, or settings that are not
    usable.
    """
    global _current
    if settings != _given or _current is None:
        if isinstance(_current, Agent):
            _current.discard()
        _given.clear()
        _given.update(settings)
        _current = None
    found = _agent()
    if isinstance(found, Agent):
        found.discover()
    return isinstance(found, Agent)


def settings() -> dict[str, Any]:
    """What `configure` was given."""
    return dict(_given)


def look_again(*named: str) -> None:
    """Attach the engines that have come into use since the last look, and those `named`. For every request of a web
    server: it costs nothing while no module was imported. Never raises.
    """
    global _seen
    modules = len(sys.modules)
    # Never waited for: whoever has it is looking.
    if (named or modules != _seen) and _looking.acquire(blocking=False):
        try:
            with safety.guard("look_again"):
                found = _agent()
                if isinstance(found, Agent):
                    found.discover(*named)
                _seen = modules
        finally:
            _looking.release()


def attach(adapter: Adapter) -> bool:
    """Install the hooks of an engine or a scheduler. False: there is no DSN, so there is nothing to report to."""
    found = _agent()
    if not isinstance(found, Agent):
        return False
    found.add(adapter)
    found.discover()
    return True


def _agent() -> Agent | Silence:
    global _current
    if _current is None:
        _current = _made()
    return _current


def _made() -> Agent | Silence:
    try:
        config = Config.read(_given)
    except InvalidSetting as error:
        logger.error("The z4j agent stays silent: %s", error)
        return Silence()
    return Agent(config) if config is not None else Silence()

"""What `manage.py check` says of z4j, under the tag `z4j`.

Everything is a warning: a project must start, also where we cannot look on. Only `check --deploy`, which stops nothing
but a deployment, calls it an error when the agent would be silent because of its settings.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

import z4j_bare
from django.core.checks import CheckMessage, Error, Warning
from z4j_bare.config import NAMES, Config, InvalidSetting
from z4j_bare.presence import advice
from z4j_bare.runtime import Agent

from z4j_django import project

_COPY = "Copy the DSN from the panel, and compare the names with those in the documentation."
_INSTALL = "Install the adapter of the engine (z4j-<engine>), or name the engine in Z4J: ENGINES."
_UPDATE = "Install releases that belong together."


def settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W001 to W003: settings that cannot be used leave the agent silent, so somebody should hear of them."""
    return [Warning(text, hint=hint, id=f"z4j.{code}") for code, text, hint in _wrong()]


def engines(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W004 and W005: what keeps the agent from seeing an engine that is in use."""
    agent = _agent()
    if agent is None:
        return []
    for engine in list(agent.engines.values()):
        agent.problems.check_version(engine)
    return [_told(problem["code"], problem["text"]) for problem in agent.problems.told()]


def deployment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E001, W006 and W007: nothing would be seen. And each engine's advice, by a code of its own to be silenced by."""
    if wrong := list(_wrong()):
        return [Error("The z4j agent stays silent: its settings cannot be used.", hint=wrong[0][1], id="z4j.E001")]
    agent = _agent()
    if agent is None:
        hint = 'Set Z4J = {"DSN": ...} or the variable Z4J_DSN to the line that the panel shows for a key.'
        return [Warning("z4j has no DSN here: no task of this project is seen.", hint=hint, id="z4j.W006")]
    if not agent.engines:
        return [Warning("No task engine that z4j has an adapter for is in use here.", hint=_INSTALL, id="z4j.W007")]
    return [
        Warning(each["text"], hint=each["fix"], obj=engine.name, id=f"z4j.{engine.name}.{each['code']}")
        for engine in list(agent.engines.values())
        for each in advice(engine)
    ]


def _agent() -> Agent | None:
    """The agent, with the engines that are in use by now."""
    z4j_bare.look_again()
    found = z4j_bare.agent()
    return found if isinstance(found, Agent) else None


def _wrong() -> Iterator[tuple[str, str, str]]:
    """Code, text and hint."""
    if not project.is_usable():
        yield "W001", "Z4J is not a dictionary.", 'Write Z4J = {"DSN": "https://..."}.'
        return
    given = project.given()
    for name in sorted(given.keys() - NAMES):
        near = difflib.get_close_matches(name.upper().removeprefix("Z4J_"), NAMES, 1)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(sorted(NAMES))}."
        yield "W002", f"Z4J has no setting {name}.", hint
    try:
        Config.read({name: value for name, value in given.items() if name in NAMES})
    except InvalidSetting as error:
        yield "W003", str(error), _COPY


def _told(code: str, text: str) -> CheckMessage:
    if code == "version_outside_bounds":
        return Warning(text, hint="Install a release within these bounds, or watch the first tasks.", id="z4j.W005")
    return Warning(text, hint=_UPDATE if code != "second_app" else "Use one app.", id="z4j.W004")

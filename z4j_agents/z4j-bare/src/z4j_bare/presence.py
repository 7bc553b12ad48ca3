"""Who this agent is and what may be asked of it: the data of agent.online."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

from z4j_core import safety
from z4j_core.engine import Engine
from z4j_core.redaction import RULES_VERSION
from z4j_core.verbs import VERBS

from z4j_bare import reveal
from z4j_bare.allow import AllowList
from z4j_bare.config import Config
from z4j_bare.policies import Policies
from z4j_bare.problems import Problems

#: How much advice of one engine is told, and how long each sentence may be.
ADVICE: Final = 20
SENTENCE: Final = 400


def describe(
    config: Config,
    engines: Mapping[str, Engine],
    allow: AllowList,
    policies: Policies,
    problems: Problems,
    *,
    works: bool,
) -> dict[str, Any]:
    """`works`: this is a worker; only a worker is asked to do anything."""
    shown = [_engine(engine, problems, works=works) for engine in list(engines.values())]
    for engine in shown if works else ():
        reveal.offer(engine, config.seal, allow)
    allowed, refused = allow.describe({verb for engine in shown for verb in engine["capabilities"] if verb in VERBS})
    versions = {"z4j": version("z4j-bare"), "python": platform.python_version()}
    return {
        "versions": versions | ({"code": config.code} if config.code else {}),
        "engines": shown,
        "problems": problems.told(),
        "allowed": allowed,
        "refused": refused,
        "redaction": policies.mode(config.redaction),
        "rules": RULES_VERSION,
        "policy": policies.version(),
    }


def _engine(engine: Engine, problems: Problems, *, works: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": engine.name, "version": "", "capabilities": {}, "missing": {}, "advice": []}
    with safety.guard(f"{engine.name}.version"):
        facts["version"] = engine.version()
        problems.check_version(engine)
    if works:
        with safety.guard(f"{engine.name}.capabilities"):
            facts |= {"capabilities": engine.capabilities(), "missing": engine.missing()}
        facts["advice"] = advice(engine)
    return facts


def advice(engine: Engine) -> list[dict[str, str]]:
    """What in the engine's configuration will hurt."""
    with safety.guard(f"{engine.name}.advice"):
        if engine.defines("advice") and not engine.obstacle("advice"):
            return [
                {"code": each.code[:64], "text": each.text[:SENTENCE], "fix": each.fix[:SENTENCE]}
                for each in list(engine.advice())[:ADVICE]
            ]
    return []

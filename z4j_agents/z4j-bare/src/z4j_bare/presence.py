"""Who this agent is and what may be asked of it: the data of agent.online."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

from z4j_core import safety
from z4j_core.adapter import Adapter
from z4j_core.engine import Engine
from z4j_core.redaction import RULES_VERSION
from z4j_core.verbs import RUN_EACH, SUBJECTS

from z4j_bare import each, reveal
from z4j_bare.allow import AllowList
from z4j_bare.config import Config
from z4j_bare.policies import Policies
from z4j_bare.problems import Problems

#: How much advice of one engine is told, and how long each sentence may be.
ADVICE: Final = 20
SENTENCE: Final = 400


def describe(
    config: Config,
    adapters: Mapping[str, Adapter],
    allow: AllowList,
    policies: Policies,
    problems: Problems,
    *,
    works: bool,
) -> dict[str, Any]:
    """`works`: this is a worker; only a worker is asked to do anything."""
    found = list(adapters.values())
    shown = [_engine(adapter, problems, works=works) for adapter in found]
    for adapter, facts in zip(found, shown, strict=True):
        if works and isinstance(adapter, Engine):
            reveal.offer(facts, config.seal, allow)
            each.offer(facts)
    known = {*SUBJECTS, RUN_EACH}
    allowed, refused = allow.describe({verb for facts in shown for verb in facts["capabilities"] if verb in known})
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


def _engine(engine: Adapter, problems: Problems, *, works: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": engine.name, "version": "", "capabilities": {}, "missing": {}, "advice": []}
    with safety.guard(f"{engine.name}.version"):
        facts["version"] = engine.version()
        problems.check_version(engine)
    if works:
        with safety.guard(f"{engine.name}.capabilities"):
            facts |= {"capabilities": engine.capabilities(), "missing": engine.missing()}
        facts["advice"] = advice(engine)
    return facts


def advice(engine: Adapter) -> list[dict[str, str]]:
    """What in the engine's configuration will hurt."""
    with safety.guard(f"{engine.name}.advice"):
        if isinstance(engine, Engine) and engine.defines("advice") and not engine.obstacle("advice"):
            return [
                {"code": each.code[:64], "text": each.text[:SENTENCE], "fix": each.fix[:SENTENCE]}
                for each in list(engine.advice())[:ADVICE]
            ]
    return []

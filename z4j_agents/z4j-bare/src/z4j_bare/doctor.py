"""Does all of it work, from the settings to a task that a worker runs and the brain sees? `run` tells hop by hop.

A framework's own command prints what `run` yields; `z4j-agent doctor` is one that needs no framework.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any, Final

from z4j_core.engine import ENGINE_GROUP, Engine

import z4j_bare
from z4j_bare import evidence
from z4j_bare.config import Config, InvalidSetting
from z4j_bare.database import Unavailable
from z4j_bare.durable import is_durable
from z4j_bare.hello import hello
from z4j_bare.hop import Hop
from z4j_bare.presence import advice
from z4j_bare.reach import reach
from z4j_bare.remembered import WITNESS, Remembered
from z4j_bare.runtime import Agent
from z4j_bare.transport import Transport

__all__ = ["Hop", "run"]

#: Seconds that a hello may take.
PATIENCE: Final = 30.0
#: Problems that leave an engine unobserved.
_SERIOUS: Final = frozenset({"import_failed", "other_port", "broker_down"})


def run(
    given: Mapping[str, Any] | None = None,
    *,
    imports: Sequence[str] = (),
    engine: str = "",
    queue: str = "",
    seconds: float = PATIENCE,
) -> Iterator[Hop]:
    """`given`: settings as for `z4j_bare.configure`; None: those in force here. `imports`: modules that make the user's
    app. `engine`: only this one. `queue`: where a hello goes. `seconds`: how long it may take.
    """
    for module in imports:
        yield (hop := _import(module))
        if not hop.ok:
            return
    settings = dict(z4j_bare.settings() if given is None else given)
    yield (hop := _settings(settings))
    if not hop.ok:
        return
    z4j_bare.configure(**settings)
    agent = z4j_bare.agent()
    assert isinstance(agent, Agent)
    agent.discover(engine)
    agent.policies.tell(agent.problems)
    transport = Transport(agent.config.dsn)
    try:
        way = []
        for hop in reach(agent.config.dsn, transport):
            way.append(hop.ok)
            yield hop
        yield _spool(agent.config)
        yield from _log(agent.config)
        found = [each for each in list(agent.engines.values()) if engine in ("", each.name)]
        yield from _engines(agent, found, engine)
        for each in found:
            yield from _engine(each)
            if all(way):
                yield from hello(each, agent, transport, queue, seconds)
    finally:
        transport.close()


def _import(module: str) -> Hop:
    try:
        importlib.import_module(module)
    except (Exception, SystemExit) as error:
        fix = "Name the module that makes your app as its workers import it, from the folder in which they start."
        return Hop("import", False, f"{module} cannot be imported ({type(error).__name__}).", fix)
    return Hop("import", True, f"{module} is imported.")


def _settings(settings: Mapping[str, Any]) -> Hop:
    try:
        config = Config.read(settings)
    except InvalidSetting as error:
        return Hop(
            "settings", False, str(error), "Copy the DSN again from the panel, and compare the names of settings."
        )
    if config is None:
        return Hop(
            "settings",
            False,
            "There is no DSN here.",
            "Set Z4J_DSN to the line that the panel shows when it makes a key.",
        )
    dsn = config.dsn
    text = f"The DSN names {dsn.scheme}://{dsn.host}:{dsn.port}{dsn.prefix} and {dsn.project}/{dsn.environment}."
    return Hop("settings", True, text)


def _spool(config: Config) -> Hop:
    try:
        folder = config.folder()
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"z4j")
        free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    except (Unavailable, OSError) as error:
        why = str(error) if isinstance(error, Unavailable) else f"{error.strerror}."
        return Hop("spool", False, f"Events cannot be kept: {why}", "Set Z4J_SPOOL_DIR to a folder of this user.")
    if free < config.spool_cap:
        text = f"{folder} has {free // 1024**2} MiB left; the spool may take {config.spool_cap // 1024**2} MiB."
        return Hop("spool", True, text, "Make room there, or lower Z4J_SPOOL_CAP.", warning=True)
    return Hop("spool", True, f"Events are kept in {folder}.")


def _log(config: Config) -> Iterator[Hop]:
    """What a worker here remembers of the brain's audit log, if one has ever asked for commands."""
    try:
        folder = config.folder()
        if not (folder / WITNESS).exists():
            return
        seen = Remembered(folder / WITNESS)
        head, alarm = seen.head(), seen.alarm()
        seen.file.close()
    except Unavailable as error:
        yield Hop("log", False, f"What is remembered of the brain's audit log cannot be read: {error}", "Look at it.")
        return
    if alarm is not None:
        fix = f"Ask who runs the brain what happened. The evidence: {alarm.evidence or folder / evidence.FOLDER}"
        yield Hop("log", False, alarm.text, fix)
    elif head is not None:
        text = f"The brain's audit log is remembered here, up to entry {head.point.size} of {head.point.origin}."
        lasting = is_durable(folder, chosen=config.spool_dir is not None)
        fix = "" if lasting else "That is forgotten with this machine: set Z4J_SPOOL_DIR to a folder that stays."
        yield Hop("log", True, text, fix, warning=not lasting)


def _engines(agent: Agent, found: Sequence[Engine], wanted: str) -> Iterator[Hop]:
    agent.sealer.look()
    for engine in found:
        agent.problems.check_version(engine)
    for problem in agent.problems.told():
        if wanted in ("", problem["engine"]):
            serious = problem["code"] in _SERIOUS
            fix = "Install releases that belong together, or report it to the adapter's authors."
            if problem["code"] == "second_app":
                fix = "Use one app, or run the others in processes of their own."
            if problem["code"].startswith("seal_"):
                fix = "z4j-agent keys show tells what is set here, z4j-agent keys init makes a key."
            yield Hop("engines", not serious, problem["text"], fix, warning=not serious)
    if found:
        text = ", ".join(f"{engine.name} {engine.version()}".rstrip() for engine in found)
        yield Hop("engines", True, f"Observed here: {text}.")
    else:
        what = f"The engine {wanted} is not" if wanted else "No engine that has an adapter here is"
        fix = f"{_adapters()} Name the module that makes your app: --import MODULE."
        yield Hop("engines", False, f"{what} in use in this process.", fix)


def _adapters() -> str:
    names = sorted(found.name for found in entry_points(group=ENGINE_GROUP))
    if not names:
        return "Install the adapter of your engine (z4j-<engine>) beside z4j-bare."
    return f"There are adapters here for {', '.join(names)}; is yours among them?"


def _engine(engine: Engine) -> Iterator[Hop]:
    if engine.defines("queues") and not engine.obstacle("queues"):
        try:
            queues = list(engine.queues())
        except Exception as error:
            if (
                type(error) is LookupError
            ):  # so an adapter says that it is in the wrong process, not that nobody answers
                text = f"The queues of {engine.name} cannot be looked into from here: {error}."
                fix = "A worker does it: its page in the panel says whether it reaches the broker."
                yield Hop(f"broker {engine.name}", True, text, fix, warning=True)
                return
            fix = "Does this machine reach the broker, with the address that your app has?"
            text = f"The broker of {engine.name} does not answer ({type(error).__name__})."
            yield Hop(f"broker {engine.name}", False, text, fix)
        else:
            waiting = sum(facts.get("depth", 0) for facts in queues)
            text = f"The broker of {engine.name} answers. Queues: {len(queues)}, messages that wait: {waiting}."
            yield Hop(f"broker {engine.name}", True, text)
    for each in advice(engine):
        yield Hop(f"advice {engine.name} {each['code']}", True, each["text"], each["fix"], warning=True)

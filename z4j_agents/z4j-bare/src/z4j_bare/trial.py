"""`z4j-agent redact-test TASK --args '[...]'`: what would leave this machine of such a task, and what hides the rest.

Nothing is sent. The mode and the rules are those that hold here for that task.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from z4j_core.asked import function_of
from z4j_core.redaction import MARK, Parameters, Redactor, Telling

import z4j_bare
from z4j_bare.config import Config, InvalidSetting
from z4j_bare.database import Unavailable
from z4j_bare.policies import Policies

_NO_DSN: Final = "There is no DSN here, so nothing leaves. Set Z4J_DSN to the line that the panel shows."
_UNKNOWN: Final = "The task is not known here: its positional arguments have no names. Try --import MODULE."


class Unusable(Exception):
    """A sentence: what is wrong with what was given."""


def options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("task", metavar="TASK", help="the name of the task, as the panel shows it")
    add("--import", dest="imports", metavar="MODULE", action="append", default=[], help="a module that has the task")
    add("--args", default="[]", metavar="JSON", help="its positional arguments, a list")
    add("--kwargs", default="{}", metavar="JSON", help="its named arguments, an object")
    add("--result", metavar="JSON", help="what it returns")
    add("--error", metavar="TEXT", help="the message of an exception that it raises")


def run(asked: argparse.Namespace) -> int:
    """Print what would leave; 0, and 2 for what cannot be tried."""
    try:
        lines = list(_tried(asked))
    except (Unusable, InvalidSetting, Unavailable) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.writelines(f"{name:<8}{text}\n" for name, text in lines)
    return 0


def _tried(asked: argparse.Namespace) -> Iterator[tuple[str, str]]:
    args, kwargs = _given("--args", asked.args, list), _given("--kwargs", asked.kwargs, dict)
    result = _given("--result", asked.result, object) if asked.result is not None else None
    parameters = _parameters(asked.task, asked.imports)
    config = Config.read(z4j_bare.settings())
    if config is None:
        raise Unusable(_NO_DSN)
    policies = Policies(config.folder)
    redactor = Redactor(config.redaction, policies.now).of(asked.task, parameters)
    yield "mode", _why(redactor, config, policies, parameters)
    positional, named, _ = redactor.call(parameters or Parameters(), args, kwargs)
    told = {"args": positional, "kwargs": named}
    if asked.result is not None:
        told["result"] = redactor.value(result)[0]
    if asked.error is not None:
        told["error"] = redactor.error(Exception(asked.error))["message"]
    yield from told.items()
    hidden = [f"{rule} ({count} in {part})" for part, text in told.items() for rule, count in _counted(text)]
    yield "hidden", ", ".join(hidden) or "nothing by a rule"
    if parameters is None and args:
        yield "note", _UNKNOWN


def _why(redactor: Telling, config: Config, policies: Policies, parameters: Parameters | None) -> str:
    owner = f"Z4J_REDACTION={config.redaction}" if config.redaction else "Z4J_REDACTION is not set"
    version = policies.version()
    policy = f"policy {version}" if version else "no policy has been heard here"
    asks = ", and the task asks for something itself" if parameters is not None and parameters.asked else ""
    return f"{redactor.mode} ({owner}, {policy}{asks})"


def _counted(text: str) -> list[tuple[str, int]]:
    return Counter(found["rule"] for found in MARK.finditer(text)).most_common()


def _given(option: str, text: str, kind: type) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise Unusable(f"{option} is not JSON. In a shell, put it between single quotes.") from None
    if not isinstance(value, kind):
        raise Unusable(f"{option} is a JSON {'list' if kind is list else 'object'}.")
    return value


def _parameters(task: str, modules: list[str]) -> Parameters | None:
    """Of the task's function, where it is imported: by the module that its name names, or from those given."""
    sys.path.insert(0, os.getcwd())
    for module in modules:
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as error:
            raise Unusable(f"{module} cannot be imported ({type(error).__name__}).") from None
    home, _, name = task.rpartition(".")
    places = [sys.modules[module] for module in (home, *modules) if module in sys.modules]
    found = next((one for place in places if (one := getattr(place, name, None)) is not None), None)
    return Parameters.of(function_of(found)) if callable(found) else None

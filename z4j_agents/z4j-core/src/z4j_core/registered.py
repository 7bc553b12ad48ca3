"""The tasks that a worker has registered, as it tells of them when it comes online: names and parameters, no values.

A default value may be a secret: that there is one is told, never what it is.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, TypedDict, TypeVar

from z4j_core.wire import MAX_EVENT, MAX_NAME, MAX_NODES

if sys.version_info >= (3, 11):
    from typing import NotRequired

T = TypeVar("T")

MOST: Final = 500
MOST_PARAMETERS: Final = 50
#: What of an event's room the tasks may take: its bytes, and how many things it is made of.
BYTES: Final = MAX_EVENT * 3 // 4
NODES: Final = MAX_NODES * 4 // 5
_MARK: Final = "z4j_idempotent"
_KINDS: Final = {
    inspect.Parameter.POSITIONAL_ONLY: "p",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "e",
    inspect.Parameter.KEYWORD_ONLY: "k",
    inspect.Parameter.VAR_POSITIONAL: "a",
    inspect.Parameter.VAR_KEYWORD: "w",
}
_BOUND: Final = ("self", "cls")


class Task(TypedDict):
    """One of `tasks` in the `data` of worker.online: what the worker has registered, 500 at most.

    A parameter is [name, kind, required]; the kind is p (by position only), e (either way), k (by keyword only), a (any
    more by position) or w (any more by keyword). `params` is absent where nobody knows, or where there was no room.
    What the engine itself gives to a task is left out, and so is every default value.
    """

    name: str
    params: NotRequired[list[list[Any]]]
    idempotent: NotRequired[bool]


def idempotent(task: T) -> T:
    """Say of a task that running it twice does no more than running it once. Above or below the engine's decorator."""
    with suppress(AttributeError, TypeError):
        setattr(task, _MARK, True)
    return task


def is_idempotent(*marked: object) -> bool:
    """Whether one of these, or a function that it wraps, was marked."""
    for one in marked:
        for _ in range(20):
            if getattr(one, _MARK, False) is True:
                return True
            one = getattr(one, "__wrapped__", None)
            if one is None:
                break
    return False


def describe(
    name: str,
    function: Callable[..., Any] | None,
    *marked: object,
    given: Callable[[inspect.Parameter], bool] = lambda parameter: False,
    context: bool = False,
) -> dict[str, Any]:
    """One task. `given`: parameters that the engine fills; `context`: the first one is. `marked`: what else of the task
    may have been called idempotent.
    """
    told: dict[str, Any] = {"name": name[:MAX_NAME]}
    found = _parameters(function) if function is not None else None
    if found is not None:
        found = found[1:] if found[:1] and (context or found[0].name in _BOUND) else found
        wanted = [parameter for parameter in found if not given(parameter)]
        if len(wanted) <= MOST_PARAMETERS:  # half of them would mislead
            told["params"] = [[one.name, _KINDS[one.kind], _is_required(one)] for one in wanted]
    if is_idempotent(function, *marked):
        told["idempotent"] = True
    return told


def fitted(tasks: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """By name, as many as an event holds; the parameters are left out of those for which there is no room."""
    listed = sorted(tasks, key=lambda task: task["name"])[:MOST]
    kept: list[dict[str, Any]] = []
    bare = [{key: value for key, value in task.items() if key != "params"} for task in listed]
    while sum(map(_size, bare)) > BYTES or sum(map(_nodes, bare)) > NODES:
        bare.pop()
    size, nodes = sum(map(_size, bare)), sum(map(_nodes, bare))
    for task, short in zip(listed, bare):  # noqa: B905 - the names that are left
        more, deeper = _size(task) - _size(short), _nodes(task) - _nodes(short)
        fits = size + more <= BYTES and nodes + deeper <= NODES
        kept.append(task if fits else short)
        size, nodes = (size + more, nodes + deeper) if fits else (size, nodes)
    return kept


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None


def _is_required(parameter: inspect.Parameter) -> bool:
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return parameter.default is inspect.Parameter.empty and parameter.kind not in variable


def _size(task: dict[str, Any]) -> int:
    return len(json.dumps(task)) + 1


def _nodes(task: dict[str, Any]) -> int:
    return 1 + 2 * len(task) + sum(1 + len(parameter) for parameter in task.get("params", ()))

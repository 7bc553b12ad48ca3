"""Tasks that the brain wonders about: asked in the engine's own store, and told as lost when nobody knows an end.

The brain's question is not signed, for it changes nothing; so it is read with the same suspicion as anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from z4j_core import safety, wire
from z4j_core.engine import Engine, Target

#: Looks that one answer may hold, and tasks that an engine is asked about at once.
MOST: Final = 100

#: What only confirms what the brain takes a task for.
_ECHOES: Final = {
    wire.Kind.TASK_ENQUEUED: frozenset({wire.State.QUEUED, wire.State.SCHEDULED, wire.State.RETRYING}),
    wire.Kind.TASK_STARTED: frozenset({wire.State.STARTED}),
}

Put = Callable[[Mapping[str, Any]], None]


def read(found: Any) -> list[wire.Look]:
    """Those of an answer that have the shape of a look."""
    return [cast(wire.Look, look) for look in found[:MOST] if _is_look(look)] if isinstance(found, list) else []


def answer(engine: Engine, looks: Sequence[wire.Look], put: Put) -> None:
    """Ask the store about the tasks of one engine and report what it says. Lost is what nobody knows or runs."""
    about = {look["task_id"]: look for look in looks}
    knows = engine.defines("lookup") and not engine.obstacle("lookup")
    told = {event["task_id"] for event in _lookup(engine, about, put)} if knows else set()
    orphans = [look for look in about.values() if look["orphan"] and look["task_id"] not in told]
    running = _running(engine) if orphans else set()
    for look in orphans:
        if look["task_id"] not in running:
            put(_lost(engine.name, look))


def _lookup(engine: Engine, about: Mapping[str, wire.Look], put: Put) -> Iterator[Mapping[str, Any]]:
    targets = [
        Target(task_id=look["task_id"], name=look.get("name", ""), queue=look.get("queue", ""))
        for look in about.values()
    ]
    for event in engine.lookup(targets):
        look = about.get(event["task_id"])
        if look is not None and event.get("kind"):
            if look.get("state") not in _ECHOES.get(event["kind"], ()):
                put({**_place(engine.name, look), **event, "engine": engine.name, "source": wire.Source.RECONCILE})
            yield event


def _running(engine: Engine) -> set[str]:
    """What this very process is at work on, as it says itself."""
    return {str(task.get("task_id")) for task in (engine.worker() or {}).get("running") or ()}


def _lost(engine: str, look: wire.Look) -> dict[str, Any]:
    message = f"No live worker claims it and {engine}'s store does not know how it ended."
    error = wire.Error(type="Lost", message=message, reason=wire.Reason.WORKER_LOST)
    return {
        **_place(engine, look),
        "kind": wire.Kind.TASK_LOST,
        "task_id": look["task_id"],
        "source": wire.Source.RECONCILE,
        "error": error,
    }


def _place(engine: str, look: wire.Look) -> dict[str, Any]:
    """Which run of the task was asked about."""
    return {"engine": engine} | {key: look[key] for key in ("attempt", "run") if look.get(key) is not None}  # type: ignore[literal-required]


def _is_look(found: Any) -> bool:
    return (
        isinstance(found, dict)
        and _is_text(found.get("engine"), 1, 64)
        and _is_text(found.get("task_id"), 1, wire.MAX_ID)
        and all(_is_text(found.get(part, ""), 0, wire.MAX_NAME) for part in ("name", "queue", "state"))
        and _is_number(found.get("attempt", 0))
        and (found.get("run") is None or _is_number(found["run"]))
        and type(found.get("orphan")) is bool
    )


def _is_text(value: Any, least: int, most: int) -> bool:
    return isinstance(value, str) and least <= len(value) <= most and value.isprintable()


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def by_engine(looks: Sequence[wire.Look]) -> dict[str, list[wire.Look]]:
    grouped: dict[str, list[wire.Look]] = {}
    for look in looks:
        grouped.setdefault(look["engine"], []).append(look)
    return grouped


def answer_all(looks: Sequence[wire.Look], engines: Mapping[str, Engine], put: Put) -> None:
    """An engine whose store cannot be asked now is left alone: nothing is lost because we could not look."""
    for name, asked in by_engine(looks).items():
        if name in engines:
            with safety.guard(f"{name}.lookup"):
                answer(engines[name], asked, put)

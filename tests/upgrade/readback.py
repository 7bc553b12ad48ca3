"""What an installation says of itself, through the API to each who may ask, and the ledger as it is stored."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from tests.brain import Brain
from tests.gateway.conftest import execute

PLACES = {"harbor/production": "olive", "harbor/staging": "oscar", "island/production": "stan"}
LISTS = ("tasks", "operations", "workers", "queues", "agents")
#: Lists that stand below each thing of a list.
BELOW = {"tasks": "events", "operations": "items"}
#: Their tasks differ from others' in the name of the engine only: enough of them is in the list.
ALIKE = ("dramatiq", "huey", "arq", "taskiq")
#: What no list shows: kept all the same.
UNSEEN = (
    "agents_batch", "agents_quarantined", "operations_command", "operations_idempotencykey", "operations_lateresult",
    "rbac_membership", "rbac_projectuserobjectpermission", "rbac_token", "tasks_event",
)  # fmt: skip
#: They depend on who was heard a moment ago.
FLEETING = {
    "workers": ("state",),
    "agents": ("state",),
    "queues": ("flow",),
    "tasks": ("actions", "replay", "waiting"),
}


def read(brain: Brain) -> dict[str, Any]:
    """Every list, and the details and what stands below them, by address."""
    told: dict[str, Any] = {table: execute(brain, f"SELECT count(*) FROM {table}")[0][0] for table in UNSEEN}  # noqa: S608
    for who in brain.tokens:
        told[f"{who} projects/"] = _pages(brain, who, "projects/")
    for place, who in PLACES.items():
        for kind in LISTS:
            told |= _things(brain, who, place, kind)
    # What only looks sees less of it.
    told["vera tasks"] = [_without(task, ("actions",)) for task in _pages(brain, "vera", "harbor/production/tasks/")]
    return told


def ledger(brain: Brain) -> dict[str, str]:
    """Each entry, hashed over its bytes."""
    rows = execute(
        brain,
        "SELECT e.id, e.body, e.leaf_hash, p.salt, p.payload FROM ledger_entry e "
        "JOIN ledger_entryprivate p ON p.entry_id = e.id",
    )
    return {str(key).replace("-", ""): hashlib.sha256(b"|".join(map(bytes, parts))).hexdigest() for key, *parts in rows}


def _things(brain: Brain, who: str, place: str, kind: str) -> dict[str, Any]:
    root, fleeting = f"{place}/{kind}/", FLEETING.get(kind, ())
    told: dict[str, Any] = {root: [_without(one, fleeting) for one in _pages(brain, who, root)]}
    for one in told[root]:
        if one.get("engine") in ALIKE:
            continue
        address = f"{root}{one['id']}/"
        told[address] = _without(_get(brain, who, address), fleeting)
        if below := BELOW.get(kind):
            told[f"{address}{below}/"] = _pages(brain, who, f"{address}{below}/")
    return told


def _pages(brain: Brain, who: str, address: str) -> list[dict[str, Any]]:
    """All pages of a list."""
    results, following = [], f"/api/v1/{address}?page_size=50"
    while following:
        page = _get(brain, who, following)
        results += page["results"]
        following = (page["next"] or "").replace(brain.url, "")
    return results


def _get(brain: Brain, who: str, address: str) -> Any:
    path = address if address.startswith("/") else f"/api/v1/{address}"
    status, _, raw = brain.request("GET", path, who=who)
    assert status == 200, (path, raw)
    return json.loads(raw)


def _without(thing: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in thing.items() if name not in names}

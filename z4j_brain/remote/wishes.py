"""What the options of a command mean to the API: filters, targets, options."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import Any

from z4j_brain.remote.client import Client
from z4j_brain.remote.trouble import wrong

#: Values that one `__in` of the API takes.
_STEP = 100
#: Longer than this, a number is no id of the brain's.
_LONGEST_ID = 18


def filters(asked: Namespace) -> dict[str, str]:
    """Filters of a list as the API names them. Several values of one mean any of them."""
    found: dict[str, str] = {}
    for name in ("state", "name", "queue"):
        values = getattr(asked, name)
        if len(values) == 1 and "," not in values[0]:
            found[name] = values[0]
        elif values:
            found[f"{name}__in"] = ",".join(values)
    if asked.since:
        found["since"] = asked.since
    for key, value in asked.filter:
        if key in found:
            raise wrong("Given twice; several values go into one, joined by commas, as KEY__in.", key)
        found[key] = value
    return found


def wish(client: Client, asked: Namespace) -> dict[str, Any]:
    """The body of a preview: action, one way to choose targets, options."""
    name = asked.action if "." in asked.action else f"task.{asked.action}"
    body: dict[str, Any] = {"action": name, "options": options(asked)}
    narrowed = filters(asked) if hasattr(asked, "filter") else {}
    every = getattr(asked, "all", False)
    if sum(map(bool, (asked.ids, narrowed, every))) != 1:
        raise wrong("Say which targets: ids, or filters such as --state failed, or --all; one of the three.")
    if every:
        return body | {"all": True}
    if narrowed:
        return body | {"filter": narrowed}
    is_task = name.startswith("task.") and name != "task.run"
    return body | {"targets": tasks(client, asked.ids) if is_task else asked.ids}


def options(asked: Namespace) -> dict[str, Any]:
    chosen = {name: getattr(asked, name) for name in ("rate", "stop_after", "order", "delay")}
    chosen |= {name: getattr(asked, name) or None for name in ("again", "wait")}
    return {name: value for name, value in chosen.items() if value is not None} | {
        key: value(text) for key, text in asked.option
    }


def value(text: str) -> Any:
    """JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def tasks(client: Client, named: Sequence[str]) -> list[int]:
    """Our ids of tasks that are named by them, or by their engine's; in the order in which they are named."""
    found: dict[str, list[int]] = {}
    ours = [name for name in named if name.isascii() and name.isdigit() and len(name) <= _LONGEST_ID]
    for row in _rows(client, "id", ours):
        found.setdefault(str(row["id"]), []).append(row["id"])
    theirs = [name for name in named if str(name).lstrip("0") not in found and name not in found]
    for row in _rows(client, "task_id", theirs):
        found.setdefault(row["task_id"], []).append(row["id"])
    return [_only(name, found) for name in dict.fromkeys(named)]


def _rows(client: Client, field: str, values: Sequence[str]) -> Iterator[dict[str, Any]]:
    alone = [value for value in values if "," in value]
    several = [value for value in dict.fromkeys(values) if "," not in value]
    queries = [{field: value} for value in alone]
    queries += [{f"{field}__in": ",".join(several[start : start + _STEP])} for start in range(0, len(several), _STEP)]
    for query in queries:
        for page in client.pages("tasks/", query | {"page_size": "200"}):
            yield from page


def _only(name: str, found: dict[str, list[int]]) -> int:
    ids = sorted(found.get(name) or found.get(name.lstrip("0")) or [])
    if not ids:
        raise wrong("There is no such task here.", name)
    if len(ids) > 1:
        raise wrong(f"Several tasks have this id; say which: {', '.join(map(str, ids[:10]))}.", name)
    return ids[0]

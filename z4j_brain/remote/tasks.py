"""`z4j tasks list` and `z4j tasks show`: what the brain knows of tasks."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from z4j_brain.remote import wishes
from z4j_brain.remote.client import PAGE, Client
from z4j_brain.remote.terminal import Terminal, plain
from z4j_brain.remote.trouble import DONE

_TIMES = ("first_at", "enqueued_at", "received_at", "started_at", "finished_at")
_TOLD = ("id", "task_id", "engine", "name", "queue", "worker", "state", "attempt", *_TIMES, "runtime_ms", "eta")
_RELATED = ("retry_of", "retried_as", "parent_id", "root_id", "group_id", "trace_id")
_TOLD_TOO = (*_RELATED, "schedule", "args", "kwargs", "result")


def show_list(client: Client, terminal: Terminal, asked: Namespace) -> int:
    """Tasks, newest first. `more`: there are others beyond the limit, or may be."""
    rows: list[dict[str, Any]] = []
    query = wishes.filters(asked) | {"page_size": str(min(asked.limit + 1, PAGE))}
    for page in client.pages("tasks/", query):
        rows += page
        terminal.progress(f"{len(rows)} tasks")
        if len(rows) > asked.limit:
            break
    more, rows = len(rows) > asked.limit, rows[: asked.limit]
    cells = [
        [row["id"], row["state"], row["name"], row["queue"], row["engine"], when(row["last_at"]), row["error_type"]]
        for row in rows
    ]
    lines = (
        terminal.table(["ID", "STATE", "NAME", "QUEUE", "ENGINE", "LAST", "ERROR"], cells) if rows else ["No tasks."]
    )
    if more:
        lines.append(f"The newest {asked.limit}; there are more: --limit N.")
    terminal.result({"results": rows, "more": more}, lines)
    return DONE


def show_one(client: Client, terminal: Terminal, asked: Namespace) -> int:
    [pk] = wishes.tasks(client, [asked.id])
    task = client.get(f"tasks/{pk}/")
    pairs = [(name, when(task[name]) if name in _TIMES else task[name]) for name in _TOLD]
    pairs += [(name, task[name]) for name in _TOLD_TOO]
    if task["error_type"]:
        pairs.append(("error", f"{task['error_type']}: {task['error_message'] or ''}".removesuffix(": ")))
    pairs += [("waits", reason["text"]) for reason in task["waiting"]]
    pairs += [(f"can {verb}", _can(offer)) for verb, offer in task["actions"].items()]
    lines = terminal.pairs(pairs)
    if task["traceback"]:
        lines += ["", plain(task["traceback"], keep="\n\t").rstrip()]
    terminal.result(task, lines)
    return DONE


def _can(offer: dict[str, Any]) -> str:
    return " · ".join(filter(None, ["yes" if offer["possible"] else "no", offer["reason"], offer["note"]]))


def when(moment: str | None) -> str:
    """To the second, in UTC as the brain tells it."""
    return f"{moment[:19].replace('T', ' ')}Z" if moment else ""

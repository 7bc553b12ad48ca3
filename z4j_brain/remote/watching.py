"""Following an operation to its end, and what that end is to a script."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from z4j_brain.remote.client import Client
from z4j_brain.remote.terminal import Terminal, plain
from z4j_brain.remote.trouble import AWAITING, DONE, FAILED, INTERRUPTED, PARTIAL, Unreachable

ENDED = frozenset({"succeeded", "failed", "partial", "expired", "cancelled"})
#: Outcomes that nobody has to look at.
_FINE = frozenset({"done", "left_out", "cancelled"})
#: Targets that are named at the end.
_SHOWN = 10
#: Seconds between two looks: at once in the beginning, less often the longer it goes on.
_SOONEST, _LATEST = 0.2, 3.0
#: Times that the brain may fail to answer one look, each with the client's own tries.
_PATIENCE = 5


def follow(client: Client, terminal: Terminal, pk: str) -> int:
    """Look at the operation until it ends, stops by itself or waits for somebody's approval; the exit code. Ctrl-C
    leaves it as it is.
    """
    try:
        for operation in _looks(client, pk):
            terminal.progress(progress(operation))
    except KeyboardInterrupt:
        terminal.say(
            f"The operation goes on. Follow it again: z4j bulk watch {pk}",
            f"Hold it: z4j bulk pause {pk}    Take back what has not left: z4j bulk cancel {pk}",
        )
        return INTERRUPTED
    except Unreachable:
        terminal.say(f"The operation goes on without us. Follow it again: z4j bulk watch {pk}")
        raise
    tell(client, terminal, operation)
    return code(operation)


def _looks(client: Client, pk: str) -> Iterator[dict[str, Any]]:
    rest = _SOONEST
    while True:
        operation = _look(client, pk)
        yield operation
        if operation["state"] in ENDED or operation["halted"] or is_waiting(operation):
            return
        time.sleep(rest)
        rest = min(rest * 1.2, _LATEST)


def _look(client: Client, pk: str) -> dict[str, Any]:
    """Over a restart of the brain, too."""
    for _ in range(_PATIENCE - 1):
        with suppress(Unreachable):
            return client.get(f"operations/{pk}/")
    return client.get(f"operations/{pk}/")


def progress(operation: dict[str, Any]) -> str:
    """How far it has come, in one line."""
    settled, total = operation["settled"], operation["total"]
    filled = 20 * settled // total if total else 0
    counts = f"{operation['succeeded']} done, {operation['failed']} failed"
    return f"[{'#' * filled}{'.' * (20 - filled)}] {settled} of {total}  {operation['state']}  {counts}"


def tell(client: Client, terminal: Terminal, operation: dict[str, Any]) -> None:
    """The operation as it stands, and what became of targets that went wrong."""
    outcomes = operation.get("outcomes") or {}
    counts = ", ".join(f"{number} {name}" for name, number in outcomes.items())
    lines = terminal.pairs(
        [
            ("operation", operation["id"]),
            ("action", operation["action"]),
            ("state", operation["state"]),
            ("targets", f"{operation['settled']} of {operation['total']} settled"),
            ("outcomes", counts),
            ("reason", operation["reason"]),
            ("stopped", operation["halted"]),
        ]
    )
    lines += _waits(client, operation)
    wrong = sorted(set(outcomes) - _FINE)
    if wrong and not terminal.is_json:
        lines += _went_wrong(client, terminal, operation, wrong)
    if operation["halted"]:
        pk = operation["id"]
        lines += ["", f"Go on: z4j bulk resume {pk}    Take back the rest: z4j bulk cancel {pk}"]
    terminal.result(operation, lines)


def is_waiting(operation: dict[str, Any]) -> bool:
    return bool(operation["state"] == "awaiting_approval")


def _waits(client: Client, operation: dict[str, Any]) -> list[str]:
    """Who has to say yes, and where; what became of it, where somebody has said no."""
    approval = operation.get("approval") or {}
    if approval.get("state") in ("rejected", "voided") and approval["decided_reason"]:
        return ["", f"{approval['state'].capitalize()}: {plain(approval['decided_reason'])}"]
    if not is_waiting(operation):
        return []
    pk, until = operation["id"], str(approval.get("expires_at", ""))[11:16]
    return [
        "",
        f"It waits for somebody else to approve it, until {until} UTC:",
        f"  {client.place.url}/{client.place.path}/operations/{pk}/",
        f"Then follow it: z4j bulk watch {pk}    Take it back: z4j bulk cancel {pk}",
    ]


def _went_wrong(client: Client, terminal: Terminal, operation: dict[str, Any], wrong: list[str]) -> list[str]:
    path, asked = f"operations/{operation['id']}/items/", {"outcome__in": ",".join(wrong)}
    rows = client.get(path, **asked, page_size=str(_SHOWN))["results"]
    cells = [[row["target_id"], row["label"], row["outcome"], row["detail"]] for row in rows]
    lines = ["", *terminal.table(["TARGET", "WHAT", "OUTCOME", "WHY"], cells)]
    if operation["failed"] > len(rows):
        lines.append(f"And {operation['failed'] - len(rows)} more.")
    if operation["state"] in ENDED:
        again = f"z4j bulk run {operation['action']} --filter operation={operation['id']}"
        lines += ["", f"Try what failed again: {plain(again)}"]
    return lines


def code(operation: dict[str, Any]) -> int:
    """Done, failed, or some of both. What was left out beforehand counts for neither."""
    if is_waiting(operation):
        return AWAITING
    if operation["state"] == "succeeded":
        return DONE
    return PARTIAL if operation["succeeded"] else FAILED

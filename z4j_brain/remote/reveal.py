"""`z4j reveal`: the sealed original of a task, opened here. Its key is in the memory of this process and nowhere else:
whoever ends the command too early has to ask anew.
"""

from __future__ import annotations

import base64
import json
import sys
import time
import unicodedata
from argparse import Namespace
from contextlib import suppress
from pkgutil import resolve_name
from typing import Any

from z4j_brain.remote import bulk, previews, watching, wishes
from z4j_brain.remote.client import Client
from z4j_brain.remote.terminal import Terminal, plain
from z4j_brain.remote.trouble import (
    AWAITING,
    DONE,
    FAILED,
    INTERRUPTED,
    Trouble,
    Unreachable,
    refused,
    unreachable,
    wrong,
)

#: Seconds between two looks.
_REST = 1.0
_LOST = "The answer got lost, and it is given once. Ask anew."


def show(client: Client, terminal: Terminal, asked: Namespace) -> int:
    """Ask, wait until it is approved and answered, take it once, open it, and write it to the terminal."""
    if not (asked.force or sys.stdout.isatty()):
        raise wrong("What is revealed goes to a terminal: say --force to have it in a pipe or a file.", "--force")
    key = _key()
    [pk] = wishes.tasks(client, [asked.id])
    task = client.get(f"tasks/{pk}/")
    operation = _ask(client, terminal, asked, pk, key.to)
    try:
        ended = _end(client, terminal, operation["id"], asked.wait)
    except KeyboardInterrupt:
        _take_back(client, terminal, operation["id"])
        return INTERRUPTED
    if ended["state"] not in watching.ENDED:
        _take_back(client, terminal, ended["id"])
        return AWAITING if watching.is_waiting(ended) else FAILED
    if ended["state"] != "succeeded":
        raise refused("not_revealed", "Not revealed", _why(client, ended))
    _write(terminal, task, _opened(client, key, task, ended["id"]))
    return DONE


def _key() -> Any:
    try:  # by name: the other commands work where nothing but Python is installed
        return resolve_name("z4j_brain.remote.opening:Key")()
    except ImportError:
        raise wrong("This takes the package cryptography: install z4j here, not its commands alone.") from None


def _ask(client: Client, terminal: Terminal, asked: Namespace, pk: int, to: str) -> dict[str, Any]:
    wish = {"action": "task.reveal", "targets": [pk], "options": {"to": to}}
    reason = asked.reason.strip() or terminal.answer("Reason:", "A reveal takes a reason: say --reason.")
    if not reason:
        raise wrong("A reveal takes a reason.", "--reason")
    found = client.post("operations/preview/", wish, again=True)
    if not found["able"]:
        raise bulk.nothing(found)
    if terminal.is_live:
        terminal.say(*previews.told(terminal, found))
    try:
        return client.ask({**wish, "reason": reason})
    except Unreachable as error:
        raise unreachable(f"Whether the brain took it is not known: ask anew. {error}") from None


def _end(client: Client, terminal: Terminal, pk: str, seconds: float) -> dict[str, Any]:
    """The operation when it has ended, or as it stands when our patience has."""
    until, told = time.monotonic() + seconds, False
    while True:
        operation = client.get(f"operations/{pk}/")
        if operation["state"] in watching.ENDED or operation["halted"] or time.monotonic() >= until:
            return operation
        if watching.is_waiting(operation) and not told:
            told = True
            terminal.say(
                "It waits for somebody else to approve it:",
                f"  {client.place.url}/{client.place.path}/operations/{pk}/",
                f"Leave this running, for {seconds:.0f} s at most (--wait): the key is here and nowhere else.",
            )
        terminal.progress(watching.progress(operation))
        time.sleep(_REST)


def _take_back(client: Client, terminal: Terminal, pk: str) -> None:
    """Its key is gone, so nobody has any use for it."""
    with suppress(Trouble, KeyboardInterrupt):
        client.post(f"operations/{pk}/cancel/", {"reason": "The command that asked has ended."}, again=True)
        terminal.say("Not revealed, and taken back: its key is gone with this command. Ask anew.")
        return
    terminal.say(f"Not revealed: its key is gone with this command. Take it back: z4j bulk cancel {pk}")


def _why(client: Client, operation: dict[str, Any]) -> str:
    rows = client.get(f"operations/{operation['id']}/items/")["results"]
    told = [plain(row["detail"]) for row in rows if row["detail"]]
    return told[0] if told else f"The operation is {operation['state']}."


def _opened(client: Client, key: Any, task: dict[str, Any], pk: str) -> bytes:
    try:
        taken = client.take(f"operations/{pk}/revealed/")
    except Unreachable as error:
        raise unreachable(f"{_LOST} {error}") from None
    try:
        original: bytes = key.open(
            taken["revealed"], client.place.path, task["engine"], task["task_id"], taken["command"]
        )
    except ValueError:
        detail = (
            "What came is not sealed to the key of this command, for this task. Ask who runs the brain what happened."
        )
        raise refused("not_ours", "Not opened", detail) from None
    return original


def _write(terminal: Terminal, task: dict[str, Any], original: bytes) -> None:
    text = as_text(original)
    document = {"id": task["id"], "task_id": task["task_id"], "original": text}
    if text is None:
        document["base64"] = base64.b64encode(original).decode()
    terminal.result(document, [escaped(original) if text is None else text])


def as_text(original: bytes) -> str | None:
    """What a terminal shows as it is and does not obey; None for all else."""
    try:
        text = original.decode()
    except ValueError:
        return None
    return text if all(one in "\n\t" or unicodedata.category(one)[0] != "C" for one in text) else None


def escaped(original: bytes) -> str:
    """As a JSON string of ASCII alone: text with its controls escaped, or one character a byte."""
    try:
        return json.dumps(original.decode())
    except ValueError:
        return json.dumps(original.decode("latin-1"))

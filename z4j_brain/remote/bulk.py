"""`z4j bulk ...`, `z4j tasks retry` and `cancel`: preview, ask, run, follow, steer."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from z4j_brain.remote import previews, watching, wishes
from z4j_brain.remote.client import Client
from z4j_brain.remote.terminal import Terminal
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

_NOT_KNOWN = "Whether the brain took it is not known: look at its operations before you ask again."


def preview(client: Client, terminal: Terminal, asked: Namespace) -> int:
    found = _previewed(client, terminal, wishes.wish(client, asked))
    terminal.result(found, previews.told(terminal, found))
    return DONE


def run(client: Client, terminal: Terminal, asked: Namespace) -> int:
    """Ask for it as it was previewed: the same targets, whatever matches meanwhile."""
    if asked.dry_run:
        return preview(client, terminal, asked)
    wish = wishes.wish(client, asked)
    found = _previewed(client, terminal, wish)
    if not found["able"]:
        raise nothing(found)
    terminal.tell(*previews.told(terminal, found))
    confirm = _agreed(terminal, asked, found)
    body = {
        "action": found["action"],
        "preview": found["preview"],
        "options": wish.get("options", {}),
        "reason": _reason(terminal, asked, found),
        "confirm": confirm,
    }
    try:
        operation = client.ask(body)
    except Unreachable as error:
        raise unreachable(f"{_NOT_KNOWN} {error}") from None
    except KeyboardInterrupt:
        terminal.say(_NOT_KNOWN)
        return INTERRUPTED
    return end(client, terminal, asked, operation)


def watch(client: Client, terminal: Terminal, asked: Namespace) -> int:
    return watching.follow(client, terminal, asked.operation)


def steer(client: Client, terminal: Terminal, asked: Namespace) -> int:
    """Pause, resume or cancel: done twice they are as if done once."""
    operation = client.post(f"operations/{asked.operation}/{asked.verb}/", {"reason": asked.reason}, again=True)
    watching.tell(client, terminal, operation)
    return DONE


def undo(client: Client, terminal: Terminal, asked: Namespace) -> int:
    """Follows the operation that cancels what the first one enqueued, where there is one."""
    operation = client.get(f"operations/{asked.operation}/")
    if not asked.yes:
        number = operation["succeeded"]
        question = f"Undo {operation['action']}: take back what has not left, cancel the {number:,} that have? [y/N]"
        agree(terminal, question)
    try:
        back = client.post(f"operations/{asked.operation}/undo/", {"reason": asked.reason}, again=False)
    except Unreachable as error:
        raise unreachable(f"Whether it was taken back is not known: look at its operation. {error}") from None
    if back["id"] == operation["id"]:
        watching.tell(client, terminal, back)
        return DONE
    return end(client, terminal, asked, back)


def _previewed(client: Client, terminal: Terminal, body: dict[str, Any]) -> dict[str, Any]:
    terminal.progress("Looking at each target ...")
    found = client.post("operations/preview/", body, again=True)
    terminal.clear()
    return found


def nothing(found: dict[str, Any]) -> Trouble:
    if not found["matching"]:
        return refused("nothing_matches", "Nothing matches", "There is nothing to do.")
    trouble = refused("nothing_able", "Nothing to do", f"All {found['matching']:,} that match are left out.")
    trouble.document["errors"] = [
        {"pointer": one["code"], "detail": f"{one['count']:,} {one['label']}: {one['text']}"}
        for one in found["excluded"]
    ]
    return trouble


def _agreed(terminal: Terminal, asked: Namespace, found: dict[str, Any]) -> int | None:
    """The number that was typed, where one has to be; a Trouble when nobody agrees."""
    wanted: int | None = found["confirm"]
    if wanted is not None and asked.confirm is not None:
        return int(asked.confirm)
    if wanted is None and asked.yes:
        return None
    if terminal.is_json and terminal.can_ask:
        terminal.say(*previews.told(terminal, found))
    if wanted is None:
        agree(terminal, f"{found['action']} on {found['able']:,} of them? [y/N]")
        return None
    question = f"What goes cannot be brought back. Type how many go ({wanted:,}):"
    otherwise = f"What goes cannot be brought back: --yes is not enough, say --confirm {wanted}."
    if terminal.answer(question, otherwise).replace(",", "") != str(wanted):
        raise _declined()
    return wanted


def agree(terminal: Terminal, question: str) -> None:
    """A Trouble, unless somebody says yes."""
    if terminal.answer(question, "There is nobody to ask: say --yes.").lower() not in ("y", "yes"):
        raise _declined()


def _declined() -> Trouble:
    return refused("declined", "Not agreed", "Nothing was asked for.")


def _reason(terminal: Terminal, asked: Namespace, found: dict[str, Any]) -> str:
    reason = str(asked.reason).strip()
    if found["reason_required"] and not reason:
        reason = terminal.answer("Reason:", "This environment wants to know why: say --reason.")
        if not reason:
            raise wrong("This environment wants to know why.", "--reason")
    return reason


def end(client: Client, terminal: Terminal, asked: Namespace, operation: dict[str, Any]) -> int:
    """Follow it to its end, where somebody waits for that; the exit code."""
    if asked.no_watch:
        watching.tell(client, terminal, operation)
        return AWAITING if watching.is_waiting(operation) else FAILED if operation["state"] == "failed" else DONE
    return watching.follow(client, terminal, operation["id"])

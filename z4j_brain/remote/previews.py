"""A preview in words: what would happen, and what a person should know before they say yes."""

from __future__ import annotations

from typing import Any

from z4j_brain.remote.tasks import when
from z4j_brain.remote.terminal import Terminal, plain


def told(terminal: Terminal, preview: dict[str, Any]) -> list[str]:
    lines = [_first(preview)]
    lines += [f"  {one['count']:,} {plain(one['label'])}: {plain(one['text'])}" for one in preview["excluded"]]
    if not preview["able"]:
        return lines
    lines += ["", *terminal.pairs([*_split(preview), *_facts(preview)])]
    rows = [[one["id"], one["label"], one["engine"], when(one["at"])] for one in preview["samples"]]
    return [*lines, "", *terminal.table(["SAMPLE", "WHAT", "ENGINE", "AT"], rows)]


def _first(preview: dict[str, Any]) -> str:
    if not preview["matching"]:
        return f"{preview['action']}: nothing matches."
    parts = [f"{preview['matching']:,} match", f"{preview['able']:,} can be asked"]
    if preview["excluded_count"]:
        parts.append(f"{preview['excluded_count']:,} left out")
    return f"{preview['action']}: {', '.join(parts)}."


def _split(preview: dict[str, Any]) -> list[tuple[str, Any]]:
    return [
        (f"by {facet}", ", ".join(f"{share['value'] or '-'} {share['count']:,}" for share in shares))
        for facet, shares in preview["by"].items()
    ]


def _facts(preview: dict[str, Any]) -> list[tuple[str, Any]]:
    behind = preview["behind"]
    facts = [
        ("oldest", when(preview["oldest"])),
        ("newest", when(preview["newest"])),
        ("takes", f"about {duration(preview['seconds'])}"),
    ]
    if preview["waiting"]:
        facts.append(("waits", f"{preview['waiting']:,}: no agent answers for them now"))
    if behind["agents"]:
        number = f"{behind['agents']} agents have {behind['events']:,} events more to tell"
        facts.append(("behind", f"{number}: others may match soon"))
    facts += [(f"note, {one['engine']}", one["text"]) for one in preview["notes"]]
    approval = preview.get("approval") or {}
    if approval.get("rule"):
        people = ", ".join(approval["people"]) or "nobody yet"
        facts.append(("approval", f"it will wait up to {approval['minutes']} min for somebody else: {people}"))
    facts += [(name, approval[name]) for name in ("frozen", "inactive") if approval.get(name)]
    if preview["confirm"] is not None:
        facts.append(("goes for good", f"{preview['confirm']:,}"))
    return facts


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

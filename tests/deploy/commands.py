"""What a file of the folder deploy has a machine run: is it a command of ours, with options that it takes?"""

from __future__ import annotations

from pathlib import Path

from django.core.management import get_commands, load_command_class

from tests.store import ROOT
from z4j_brain import server
from z4j_brain.cli import ROLES

DEPLOY = ROOT / "deploy"
#: What `z4j serve` and `z4j web` take; the other roles take nothing.
LISTENING = ("--host", "--port")


def check(*words: str) -> None:
    """Fails unless `z4j WORDS` is understood."""
    command, *rest = words
    if command in ROLES:
        allowed = LISTENING if command in ("serve", "web") else ()
        assert callable(getattr(server, command)) and all(word.split("=")[0] in allowed for word in rest[::2]), words
        return
    assert command in get_commands(), f"z4j {command}"
    made = get_commands()[command]
    assert isinstance(made, str)
    parser = load_command_class(made, command).create_parser("z4j", command)
    parser.parse_args(rest)


def settings() -> set[str]:
    """The variables that the reference lists for the brain."""
    page = (ROOT / "docs" / "reference" / "settings.md").read_text().partition("## The agent")[0]
    return {line.split("`")[1] for line in page.splitlines() if line.startswith("| `Z4J_")}


def files(folder: str, pattern: str) -> list[Path]:
    return sorted((DEPLOY / folder).rglob(pattern))

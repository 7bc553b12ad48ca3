"""Every command that a document shows is one that there is."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.store import ROOT
from z4j_brain.remote import arguments

PAGES = ["README.md", *(f"docs/how-to/{path.name}" for path in (ROOT / "docs" / "how-to").glob("*.md"))]
_SHOWN = re.compile(r"^(?:.*\|\s*(?:xargs )?)?z4j ((?:tasks|schedules|bulk) .*)$")


@pytest.mark.parametrize("page", PAGES)
def test_a_command_in_a_document_is_understood(page):
    for block in (ROOT / page).read_text().split("```")[1::2]:
        for line in filter(None, map(_SHOWN.match, block.splitlines())):
            words = shlex.split(line[1])
            named = ["1"] if "xargs" in line[0] else []
            command = arguments.find(words)
            assert command, line[0]
            command.parser().parse_intermixed_args([*words[2:], *named])


def test_the_page_on_the_command_line_shows_every_command():
    shown = (ROOT / "docs" / "how-to" / "command-line.md").read_text()
    assert [one for one in arguments.COMMANDS if f"z4j {one.group} {one.verb}" not in shown] == []

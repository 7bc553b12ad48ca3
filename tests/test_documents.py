"""What the documents say is so: of the store, of the pages and commands that prove an answer, and of each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from django.core.management import get_commands, load_command_class
from django.db.models import Index, Model, UniqueConstraint
from django.urls import Resolver404, resolve

from tests.store import ROOT
from z4j_brain.agents import guides
from z4j_brain.cli import ROLES
from z4j_brain.remote.arguments import GROUPS
from z4j_brain.stats.models import ByName, ByQueue
from z4j_brain.tasks.models import Event, Task

PAGE = (ROOT / "docs" / "reference" / "store.md").read_text()


@pytest.mark.parametrize("model", [Task, Event, ByQueue, ByName])
def test_every_index_stands_in_the_page_on_the_store_with_what_it_serves(model: type[Model]):
    for index in (*model._meta.indexes, *model._meta.constraints):
        assert isinstance(index, Index | UniqueConstraint)
        assert f"`{index.name}" in PAGE
    assert f"`{model._meta.db_table}`" in PAGE


PROOFS = ROOT / "docs" / "compliance.md"
WRITTEN = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
#: An address of a page or of the API, in a sentence that says so.
ADDRESS = re.compile(r"(?:[Pp]ages? |GET |POST )`?([\w/<>.-]+/)")


def test_a_compliance_review_has_its_twenty_answers_and_each_names_what_proves_it():
    answers = re.split(r"^\d+\. ", PROOFS.read_text(), flags=re.MULTILINE)[1:]
    assert len(answers) == 20
    assert all("`" in answer or "](" in answer for answer in answers)


def test_every_page_and_address_that_proves_an_answer_is_there():
    named = {address.group(1) for address in ADDRESS.finditer(PROOFS.read_text())}
    assert len(named) > 8
    for address in named:
        path = "/" + address.replace("<p>", "p").replace("<e>", "e").replace("<id>", str(UUID(int=1))).lstrip("/")
        try:
            resolve(path)
        except Resolver404:
            pytest.fail(f"{address} is no page and no address")


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_in_a_document_is_one(page: Path):
    known = {*get_commands(), *ROLES, *GROUPS, "help"}
    audit = _subcommands()
    for line in _commands(page.read_text()):
        first, *rest = line.split()
        assert first in known, f"z4j {line}"
        if first == "audit" and rest and rest[0].isidentifier():
            assert rest[0] in audit, f"z4j {line}"


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_document_that_leads_to_another_leads_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), target


def test_the_index_of_documents_names_each_page():
    index = ROOT / "docs" / "README.md"
    named = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)#\s]+)", index.read_text())}
    pages = {page for page in (ROOT / "docs").rglob("*") if page.suffix in (".md", ".yaml")} - {index}
    assert pages - named == set()


@pytest.mark.parametrize("page", ["moving-from-flower", "moving-from-rq-dashboard"])
def test_who_comes_from_elsewhere_is_led_to_addresses_and_actions_that_there_are(page: str):
    text = (ROOT / "docs" / "how-to" / f"{page}.md").read_text()
    told = re.split(r"^  (/.+):$", (ROOT / "docs" / "reference" / "openapi.yaml").read_text(), flags=re.MULTILINE)[1:]
    verbs = {
        path: re.findall(r"^    (get|post):$", under, re.MULTILINE)
        for path, under in zip(told[::2], told[1::2], strict=True)
    }
    known = {f"{verb.upper()} {re.sub('{.*?}', '<>', path)}" for path in verbs for verb in verbs[path]}
    named = {re.sub("<.*?>", "<>", one) for one in re.findall(r"`((?:GET|POST) /api/v1/[^`?]+)", text)}
    assert len(named) > 5 and named - known == set()
    actions = (ROOT / "docs" / "reference" / "actions.md").read_text()
    assert [
        one for one in re.findall(r"\b(?:task|queue|worker)\.[a-z_]+\b", text) if f"## `{one}`" not in actions
    ] == []


def _commands(text: str) -> Iterator[str]:
    """What stands after `z4j` in code, a word or two of it."""
    blocks = re.findall(r"^```.*?^```", text, flags=re.MULTILINE | re.DOTALL)
    for code in (*blocks, *re.findall(r"`z4j [^`]+`", text)):
        for match in re.finditer(r"(?:^|`)z4j ([a-z][\w-]*(?: [a-z][\w-]*)?)", code, flags=re.MULTILINE):
            yield match.group(1)


def _subcommands() -> set[str]:
    parser = load_command_class(get_commands()["audit"], "audit").create_parser("z4j", "audit")
    return {name for action in parser._actions for name in (action.choices or ()) if isinstance(name, str)}


@pytest.mark.parametrize("guide", list(guides.every()), ids=str)
def test_the_pages_on_an_engine_and_a_framework_give_the_lines_that_the_panel_gives(guide: guides.Guide):
    """Of an engine in a framework, either page."""
    parts = [part for part in (guide.engine, guide.framework) if part]
    said = "".join((ROOT / "docs" / "how-to" / f"{part.slug}.md").read_text() for part in parts)
    for line in [*(each.line for each in guide.code), guide.start, guide.doctor]:
        assert line in said
    if guide.framework is None:
        assert guide.install in said

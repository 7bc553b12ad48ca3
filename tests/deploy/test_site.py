"""The documents become a site of which every link leads somewhere, with a search, that asks nobody outside."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store import ROOT

CONFIG = ROOT / "mkdocs.yaml"
SITE = ROOT / ".z4j" / "site"
#: What a browser would fetch by itself.
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)[^>]*\ssrc=["']?(https?:)?//|<link[^>]*rel=["']?(?:stylesheet|preload|preconnect|icon|manifest)["']?[^>]*href=["']?(?:https?:)?//"""
)
STYLED = re.compile(r"url\(\s*[\"']?(?:https?:)?//|@import\s+[\"'](?:https?:)?//")


def named() -> set[str]:
    return {line.strip().removeprefix("- ") for line in CONFIG.read_text().splitlines() if line.endswith(".md")}


def test_the_navigation_names_every_page_and_no_other():
    pages = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")}
    assert pages - named() == set()
    assert {page for page in named() if not (ROOT / page).exists()} == set()


def test_the_site_is_built_without_a_warning_has_every_page_and_asks_nobody_outside():
    if not (ROOT / ".venv-docs").exists() and not os.environ.get("CI"):
        pytest.skip("what builds the site is not installed: make docs-site")
    run = [sys.executable, "tools/docsite.py"]
    built = subprocess.run(run, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert built.returncode == 0, built.stdout

    for page in named():
        path = re.sub(r"README\.md$", "", page).removesuffix(".md")
        assert (SITE / path / "index.html").exists(), page
    for path in SITE.rglob("*.html"):
        assert not FETCHED.search(path.read_text()), path
    for path in SITE.rglob("*.css"):
        assert not STYLED.search(path.read_text()), path
    home = (SITE / "index.html").read_text()
    assert "prefers-color-scheme: dark" in home
    assert "quickstart" in found("first own task") | found("quickstart")


def found(words: str) -> set[str]:
    """Names of the pages of which the index of the search has these words."""
    index: Path = next(SITE.rglob("search*.json"))
    told = json.loads(index.read_text())
    entries = told.get("docs") or told.get("items")
    return {
        Path(entry["location"].partition("#")[0]).name or "home"
        for entry in entries
        if words.casefold() in json.dumps(entry).casefold()
    }

"""Builds the site of the documents into .z4j/site: every page that the tree has for people, its links checked.

The pages are written to be read in the tree. They are copied with the folders they stand in, so that their links hold,
and the few ways in which its builder reads Markdown otherwise are made up for.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tree import ROOT, WORK

SOURCE, SITE = WORK / "site-source", WORK / "site"
BUILDER = ROOT / ".venv-docs" / "bin" / "zensical"
#: What a page may lead to besides pages.
ATTACHED = (
    "docs/images/*",
    "docs/reference/*.yaml",
    "compose.yaml",
    "Dockerfile",
    "deploy/grafana/*.json",
    "LICENSES/*.txt",
)
PAGES = ("*.md", "docs/**/*.md", "deploy/helm/z4j/README.md", "z4j_agents/README.md")
_LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")
_ITEM = re.compile(r"(?:[-*]|\d+\.) ")


def main() -> int:
    for folder in (SOURCE, SITE):
        shutil.rmtree(folder, ignore_errors=True)
    for path in pages():
        target = SOURCE / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(adapted(path))
    for path in attached():
        target = SOURCE / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    command = [BUILDER, "build", "--strict", "--clean", "--config-file", ROOT / "mkdocs.yaml"]
    code = subprocess.run([str(part) for part in command], cwd=ROOT).returncode
    if code == 0:
        print(f"{SITE / 'index.html'}: serve it by {sys.executable} -m http.server -d {SITE}")
    return code


def pages() -> Iterator[Path]:
    yield from sorted({path for pattern in PAGES for path in ROOT.glob(pattern)})


def attached() -> Iterator[Path]:
    yield from (path for pattern in ATTACHED for path in ROOT.glob(pattern))


def adapted(path: Path) -> str:
    """The page as the builder has to have it: a list begins after an empty line, what belongs to an item is four in."""
    lines: list[str] = []
    fenced = numbered = False
    for line in path.read_text().splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and _ITEM.match(line) and lines and lines[-1] and not _belongs(lines[-1]):
            lines.append("")
        if line and not line[0].isspace():
            numbered = bool(re.match(r"\d+\. ", line))
        lines.append(f" {line}" if numbered and line.startswith("   ") and not line.startswith("    ") else line)
    return _LINK.sub(lambda found: _link(path, found), "\n".join(lines) + "\n")


def _belongs(line: str) -> bool:
    """To a list that has no paragraphs in it: an item, or what goes on below one."""
    return bool(_ITEM.match(line)) or (line[0].isspace() and not line.startswith("    "))


def _link(path: Path, found: re.Match[str]) -> str:
    """What of the tree the site has not, a folder or a file of code, is no link there: its words stay."""
    target = (path.parent / found[2]).resolve()
    if "://" in found[2] or found[2].startswith("mailto:") or target in _there():
        return found[0]
    within = target / "README.md"
    return f"[{found[1]}]({found[2].rstrip('/')}/README.md)" if within in _there() else found[1]


@cache
def _there() -> frozenset[Path]:
    return frozenset([*pages(), *attached()])


if __name__ == "__main__":
    sys.exit(main())

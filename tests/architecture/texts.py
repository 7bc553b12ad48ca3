"""What files may be called, how long they are, and what they must not say."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.rule import ENGINES, Source, files, rule, sources, text_of

_CATCH_ALLS = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "manager",
    "managers",
    "service",
    "services",
    "base",
    "misc",
}
_CODE = (".py", ".html", ".css", ".js")
_DOCUMENTS = (".md", ".html", ".txt", ".rst", ".yaml", ".yml", ".toml")
_ENGINE_WORD = re.compile(rf"\b({'|'.join(ENGINES)})\b", re.I)


@rule
def modules_are_named_after_what_they_hold(root: Path) -> Iterator[str]:
    for source in sources(root, "z4j_brain", "z4j_agents", "tests", "demo", "tools"):
        bad = _CATCH_ALLS & {part.removesuffix(".py") for part in Path(source.name).parts}
        if bad:
            yield f"{source.name}:1: {bad.pop()} says nothing: name it after the word of the domain it holds"


@rule
def files_fit_in_one_head(root: Path) -> Iterator[str]:
    for name, path in files(root):
        if path.suffix not in _CODE or "/vendor/" in name or "/migrations/" in name:
            continue
        limit = 300 if re.match(r"z4j_agents/(?!z4j-core/|z4j-bare/)[^/]+/src/", name) else 400
        lines = len(text_of(path).splitlines())
        if lines > limit:
            yield f"{name}:{limit}: {lines} lines; {limit} is the limit: split it by behaviour"


@rule
def the_brain_names_no_engine(root: Path) -> Iterator[str]:
    for source in sources(root, "z4j_brain"):
        docstrings = _docstrings(source)
        for node in ast.walk(source.tree):
            for word in _words(node):
                if node not in docstrings and _ENGINE_WORD.search(word):
                    yield source.place(node, f"{word[:40]!r} names an engine: ask the agent's capabilities")
    for name, path in _templates_and_scripts(root):
        for number, line in _lines(path):
            if _ENGINE_WORD.search(line):
                yield f"{name}:{number}: names an engine ({line.strip()[:60]})"


def _words(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Constant(value=str() as text):
            yield text
        case ast.Name():
            yield node.id
        case ast.Attribute():
            yield node.attr
        case ast.alias():
            yield node.name
        case ast.ImportFrom(module=str() as module):
            yield module


def _docstrings(source: Source) -> set[ast.AST]:
    """Strings that stand alone: they tell a reader, they decide nothing."""
    statements = (node for node in ast.walk(source.tree) if isinstance(node, ast.Expr))
    return {node.value for node in statements if isinstance(node.value, ast.Constant)}


@rule
def templates_keep_the_strict_policy(root: Path) -> Iterator[str]:
    bad = {
        r"<style\b|\sstyle\s*=": "inline style: use a class",
        r"<script\b(?![^>]*\bsrc=)": "inline script: use a module bound by data-",
        r"\son[a-z]+\s*=\s*[\"']": "inline handler: use a module bound by data-",
        r"\|\s*safe\b|\{%\s*autoescape\s+off|mark_safe": "unescaped output",
        r"(?:src|href)\s*=\s*[\"']https?://[^\"']*\.(?:js|css|woff2?)": "external resource: vendor it",
        r"javascript:": "javascript: address",
    }
    for name, path in files(root):
        if name.endswith(".html") and "templates/" in name:
            for number, line in _lines(path):
                for pattern, message in bad.items():
                    if re.search(pattern, line, re.I):
                        yield f"{name}:{number}: {message}"


@rule
def python_marks_nothing_safe(root: Path) -> Iterator[str]:
    for source in sources(root, "z4j_brain"):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Name | ast.Attribute | ast.alias) and "mark_safe" in list(_words(node)):
                yield source.place(node, "mark_safe: use format_html")


@rule
def no_log_entry_escapes_erasure(root: Path) -> Iterator[str]:
    for source in sources(root, "z4j_brain"):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Name | ast.Attribute | ast.alias) and "LogEntry" in list(_words(node)):
                yield source.place(node, "LogEntry: the ledger is the only record; its private part can be erased")


@rule
def no_document_installs_z4j_by_name(root: Path) -> Iterator[str]:
    """The names belong to another product on the public index."""
    installer = re.compile(r"\b(?:pip3?|pipx|uv|uvx|poetry|pdm)\s+(?:pip\s+)?(?:install|add|run)\b(?P<what>[^`]*)")
    by_name = re.compile(r"(?<=\s)[\"']?z4j(?:-\w+)*(?:\[[\w,]+\])?(?:[=<>~!][^\s\"']*)?[\"']?(?=\s|$)(?!\s+@)")
    for name, path in files(root):
        if path.suffix in _DOCUMENTS or path.name in ("Dockerfile", "Makefile"):
            for number, line in enumerate(text_of(path).splitlines(), 1):
                command = installer.search(line)
                if command and by_name.search(command["what"]):
                    yield f"{name}:{number}: installs z4j by name: use a path of this tree or its git address"


@rule
def no_machine_or_registry_is_named(root: Path) -> Iterator[str]:
    hosts = (
        r"docker\.io|ghcr\.io|quay\.io|gcr\.io|pkg\.dev|azurecr\.io|public\.ecr|\bregistry[\w-]*\.[\w-]+\.\w|pypi\.org|"
    )
    hosts += r"pythonhosted|npmjs\.|unpkg\.com|jsdelivr|cdnjs|deb\.debian\.org|artifactory|nexus\."
    paths = r"(?<![\w.])/(?:root|home/\w+|Users/\w+|work|opt/pypi[\w-]*)/"
    pattern = re.compile(f"{hosts}|{paths}", re.I)
    for name, path in files(root):
        if name.startswith(("LICENSES/", "static/vendor/", "tests/architecture/")):
            continue
        for number, line in enumerate(text_of(path).splitlines(), 1):
            found = pattern.search(line)
            if found:
                yield f"{name}:{number}: {found[0]!r} names a registry or a machine"


@rule
def every_commit_is_signed_off(root: Path) -> Iterator[str]:
    """Developer Certificate of Origin: each commit carries its author's Signed-off-by."""
    if not (root / ".git").exists():
        return
    shown = "--format=%h%x00%ae%x00%(trailers:key=Signed-off-by,valueonly,separator=%x2C)%x01"
    log = ["git", "log", "--no-merges", shown]
    out = subprocess.run(log, cwd=root, capture_output=True, text=True, check=True).stdout
    for record in filter(None, (part.strip() for part in out.split("\x01"))):
        commit, email, signed = record.split("\0")
        if f"<{email}>" not in signed:
            yield f"{commit}:1: no Signed-off-by of {email}: git commit -s"


def _templates_and_scripts(root: Path) -> Iterator[tuple[str, Path]]:
    """All but templates/connect/, where each engine has a file of lines to copy: text for people, chosen by them."""
    for name, path in files(root):
        ours = name.startswith(("templates/", "static/", "z4j_brain/")) and "/vendor/" not in name
        ours = ours and not name.startswith("templates/connect/")
        if ours and path.suffix in (".html", ".js", ".css"):
            yield name, path


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines of a template, without its comments."""
    text = re.sub(r"\{#.*?#\}", "", text_of(path))
    return enumerate(text.splitlines(), 1)

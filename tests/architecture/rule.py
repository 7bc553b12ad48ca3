"""A rule of the architecture: a function from the root of a tree to the places that break it."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

Check = Callable[[Path], Iterator[str]]
RULES: dict[str, Check] = {}

#: Names of task-queue libraries; the brain must not know one, and no tool may list them.
ENGINES = (
    "celery",
    "rq",
    "dramatiq",
    "huey",
    "arq",
    "taskiq",
    "kombu",
    "django_celery_beat",
    "apscheduler",
    "periodiq",
)

SKIPPED = {"__pycache__", "migrations", "vendor", "node_modules"}


def rule(check: Check) -> Check:
    """Register a rule under its function's name, which reads as a sentence."""
    RULES[check.__name__] = check
    return check


@dataclass(frozen=True)
class Source:
    """One Python file: where it is, its text and its tree."""

    path: Path
    name: str
    text: str
    tree: ast.Module

    def place(self, node: ast.AST, message: str) -> str:
        return f"{self.name}:{getattr(node, 'lineno', 1)}: {message}"

    def calls(self, within: ast.AST | None = None) -> Iterator[ast.Call]:
        return (node for node in ast.walk(within or self.tree) if isinstance(node, ast.Call))


def sources(root: Path, *folders: str) -> Iterator[Source]:
    """Every Python file below these folders of the tree (globs allowed), without migrations."""
    for folder in folders:
        for start in sorted(root.glob(folder)):
            for path in sorted(start.rglob("*.py")) if start.is_dir() else [start]:
                if not SKIPPED & set(path.relative_to(root).parts):
                    yield _read(path, str(path.relative_to(root)), path.stat().st_mtime_ns)


@cache
def _read(path: Path, name: str, _changed: int) -> Source:
    text = path.read_text()
    return Source(path, name, text, ast.parse(text, name))


def files(root: Path) -> Iterator[tuple[str, Path]]:
    """What git tracks, or every file of a tree without git."""
    if (root / ".git").exists():
        out = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
        names = [name for name in out.split("\0") if name]
    else:
        names = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    for name in names:
        if (root / name).is_file():
            yield name, root / name


def text_of(path: Path) -> str:
    """The file's text; empty for what is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a chain of names and attributes; calls in between are written as `()`."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return f"{dotted(node.value)}.{node.attr}"
        case ast.Call():
            return f"{dotted(node.func)}()"
        case ast.Subscript():
            return f"{dotted(node.value)}[]"
    return ""


def imported(node: ast.AST) -> list[str]:
    """The modules that a statement imports, dotted; nothing for any other statement."""
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom(level=0, module=str() as module):
            return [module]
    return []

"""Who may import whom, beyond the layers that import-linter draws."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

from tests.architecture.rule import ENGINES, Source, files, imported, rule, sources, text_of

_CORE = "z4j_core"
#: What a conformance suite may import besides: it runs in the tests of an adapter, never in a user's process.
_TESTING = ("pytest", "hypothesis")


@rule
def no_import_hides_in_a_function(root: Path) -> Iterator[str]:
    for source in sources(root, "z4j_brain", "z4j_agents/*/src"):
        for function in ast.walk(source.tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or _is_ready(source, function):
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    yield source.place(node, "import inside a function: it hides a dependency, often a cycle")


def _is_ready(source: Source, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Django reads apps.py before any model exists: `ready()` is where an app may import its own models."""
    return source.path.name == "apps.py" and function.name == "ready"


@rule
def the_brain_imports_no_agent_package_but_the_core(root: Path) -> Iterator[str]:
    for source, node, module in _imports(root, "z4j_brain"):
        if module.startswith("z4j_") and module not in ("z4j_brain", _CORE):
            yield source.place(node, f"imports {module}: the brain may know z4j_core only")


@rule
def agents_import_the_core_and_what_they_declare(root: Path) -> Iterator[str]:
    for folder in _packages(root):
        own = {path.name.removesuffix(".py") for path in (folder / "src").iterdir()}
        allowed = sys.stdlib_module_names | own | _declared(folder / "pyproject.toml")
        for source, node, module in _imports(root, str((folder / "src").relative_to(root))):
            if module not in allowed and not (module in _TESTING and "/conformance/" in source.name):
                yield source.place(node, f"imports {module}, which {folder.name}/pyproject.toml does not declare")


@rule
def the_brain_imports_what_it_declares(root: Path) -> Iterator[str]:
    allowed = sys.stdlib_module_names | {"z4j_brain"} | _declared(root / "pyproject.toml")
    for source, node, module in _imports(root, "z4j_brain"):
        if module not in allowed:
            yield source.place(node, f"imports {module}, which pyproject.toml does not declare")


@rule
def agent_packages_depend_downwards_only(root: Path) -> Iterator[str]:
    for folder in _packages(root):
        for name in _dependencies(folder / "pyproject.toml"):
            if _allowed_dependency(folder.name, name):
                continue
            yield f"z4j_agents/{folder.name}/pyproject.toml:1: must not depend on {name}"


def _allowed_dependency(package: str, dependency: str) -> bool:
    """Core: nothing. Bare: core and cryptography. The rest: core, bare and libraries that are not ours."""
    if package == "z4j-core":
        return False
    if package == "z4j-bare":
        return dependency in ("z4j-core", "cryptography")
    return not dependency.startswith("z4j") or dependency in ("z4j-core", "z4j-bare")


@rule
def no_agent_package_depends_on_redis(root: Path) -> Iterator[str]:
    for folder in _packages(root):
        for requirement in _requirements(folder / "pyproject.toml"):
            if re.match(r"redis\b", requirement, re.I) or re.search(r"\[[^]]*redis[^]]*\]", requirement, re.I):
                yield f"z4j_agents/{folder.name}/pyproject.toml:1: {requirement}: engines pin redis-py apart"


@rule
def the_wire_is_versioned_in_one_place(root: Path) -> Iterator[str]:
    for source in sources(root, "z4j_brain", "z4j_agents/*/src"):
        if source.name.endswith("z4j_core/wire.py"):
            continue
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _versioned(source, node):
                yield source.place(node, f"{node.value[:40]!r}: paths and domains with a version live in z4j_core.wire")
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == "v" and isinstance(value, ast.Constant):
                        yield source.place(node, '{"v": <number>}: take wire.VERSION')


def _versioned(source: Source, node: ast.Constant) -> bool:
    return bool(re.match(r"/agent/v\d|z4j/\w+/v\d", str(node.value)))


@rule
def no_tool_lists_the_engines(root: Path) -> Iterator[str]:
    """Adding an engine touches no existing file, so no shared file may name one."""
    words = re.compile(rf"\b(z4j[-_])?({'|'.join(ENGINES)})\b", re.I)
    shared = re.compile(r"Makefile|pyproject\.toml|\.importlinter|\.ci/.*|tools/.*|requirements/.*")
    for name, path in files(root):
        if shared.fullmatch(name):
            for number, line in enumerate(text_of(path).splitlines(), 1):
                if words.search(line):
                    yield f"{name}:{number}: names an engine ({line.strip()[:60]}): glob z4j_agents/*/ instead"
    for source in sources(root, "z4j_agents/z4j-core/src", "z4j_agents/z4j-bare/src"):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Constant) and str(node.value).lower() in ENGINES:
                yield source.place(node, f"{node.value!r}: core and bare know no engine by name")


# ── What is installed ────────────────────────────────────────────────────────────────────────────────────────────────

_LIST_OURS = """
import importlib.util, pkgutil
for module in pkgutil.iter_modules():
    if module.name.startswith("z4j"):
        print(module.name, importlib.util.find_spec(module.name).origin)
"""


@rule
def every_z4j_module_comes_from_this_tree(root: Path) -> Iterator[str]:
    """The names are taken on the public index by another product."""
    for python in sorted(root.glob(".venv*/bin/python")):
        out = subprocess.run([python, "-P", "-c", _LIST_OURS], cwd=root, capture_output=True, text=True, check=True)
        for line in out.stdout.splitlines():
            name, origin = line.split(" ", 1)
            if not Path(origin).resolve().is_relative_to(root.resolve()) or "site-packages" in origin:
                yield f"{python.relative_to(root)}:1: {name} is {origin}, which is not ours"


# ── What a pyproject declares ────────────────────────────────────────────────────────────────────────────────────────


def _packages(root: Path) -> list[Path]:
    return [path.parent for path in sorted(root.glob("z4j_agents/*/pyproject.toml"))]


def _imports(root: Path, folder: str) -> Iterator[tuple[Source, ast.AST, str]]:
    """Every import below the folder with the top-level module it names."""
    for source in sources(root, folder):
        for node in ast.walk(source.tree):
            for module in imported(node):
                yield source, node, module.split(".")[0]


def _requirements(pyproject: Path) -> list[str]:
    project = tomllib.loads(pyproject.read_text())["project"]
    extras = project.get("optional-dependencies", {}).values()
    return [*project.get("dependencies", []), *(requirement for extra in extras for requirement in extra)]


def _dependencies(pyproject: Path) -> list[str]:
    return [re.split(r"[\s\[<>=!~;@]", requirement)[0].lower() for requirement in _requirements(pyproject)]


def _declared(pyproject: Path) -> set[str]:
    """Top-level modules of the declared libraries: as installed here, or by the usual spelling of the name."""
    modules: set[str] = set()
    for name in _dependencies(pyproject):
        modules |= _installed().get(name, {name.replace("-", "_")})
    return modules


@cache
def _installed() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for module, distributions in metadata.packages_distributions().items():
        for distribution in distributions:
            found.setdefault(distribution.lower().replace("_", "-"), set()).add(module)
    return found

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

from tests.architecture.rule import Source, files, imported, rule, sources, text_of

_CORE = "z4j_core"
#: What a conformance suite may import besides: it runs in the tests of an adapter, never in a user's process.
_TESTING = ("pytest", "hypothesis")


#: What a checker of types has installed, and a brain that runs has not.
_TYPES = {"django_stubs_ext"}


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
            if module not in allowed and not (module in _TESTING and "/testing/" in source.name):
                yield source.place(node, f"imports {module}, which {folder.name}/pyproject.toml does not declare")


@rule
def the_brain_imports_what_it_declares(root: Path) -> Iterator[str]:
    allowed = sys.stdlib_module_names | {"z4j_brain"} | _declared(root / "pyproject.toml")
    for source, node, module in _imports(root, "z4j_brain"):
        if module not in allowed and not (module in _TYPES and _is_for_types(source, node)):
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
def only_its_adapter_names_an_engine(root: Path) -> Iterator[str]:
    """Adding an engine touches no existing file: no code, template or setting outside an adapter's folder names its
    engine. The names are those that the adapters register; prose may use them, and tests, whose tasks need some engine,
    and the adapter of a scheduler those of the engines that it depends on, whose tasks it sends.
    """
    owners = dict(_registered(root))
    if not owners:
        return
    word = re.compile(rf"\b(?:z4j[-_])?({'|'.join(map(re.escape, owners))})\b", re.I)
    for name, path in files(root):
        if _PROSE.fullmatch(name) or not _is_text(path):
            continue
        for number, engine, said in _naming(path, word):
            if not path.is_relative_to(owners[engine]) and engine not in _sends(root, name):
                yield f"{name}:{number}: {said[:60]!r} names an engine: ask the adapters, or glob z4j_agents/*/"


def _registered(root: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(root.glob("z4j_agents/*/pyproject.toml")):
        registered = tomllib.loads(text_of(path)).get("project", {}).get("entry-points", {}).get("z4j.engines", {})
        yield from ((engine, path.parent) for engine in registered)


def _sends(root: Path, name: str) -> list[str]:
    """The libraries that the adapter of a scheduler needs, to whose folder a file belongs; of any other file none."""
    folder = re.match(r"z4j_agents/[^/]+/", name)
    pyproject = root / folder[0] / "pyproject.toml" if folder else None
    if pyproject is None or not pyproject.exists():
        return []
    registers = tomllib.loads(text_of(pyproject))["project"].get("entry-points", {})
    return _dependencies(pyproject) if "z4j.schedulers" in registers else []


_PROSE = re.compile(
    r"docs/.*|mkdocs\.yaml|.*\.md|templates/connect/.*|(.*/)?tests/.*|static/vendor/.*|LICENSES/.*|.*requirements.*"
)


def _is_text(path: Path) -> bool:
    return path.suffix in {".py", ".html", ".js", ".css", ".toml", ".yaml", ".yml", ".in", ".ini", ".txt", ".sh", ""}


def _naming(path: Path, word: re.Pattern[str]) -> Iterator[tuple[int, str, str]]:
    """Line, engine and words. In Python only what runs counts: comments and docstrings explain."""
    text = text_of(path)
    if not word.search(text.replace(".", " ")):
        return
    lines = enumerate(text.splitlines(), 1) if path.suffix != ".py" else _spoken(ast.parse(text))
    for number, said in lines:
        if found := word.search(said):
            yield number, found[1].lower(), said.strip()


def _spoken(tree: ast.Module) -> Iterator[tuple[int, str]]:
    explaining = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) not in explaining and (said := _said(node)):
            yield getattr(node, "lineno", 1), said


def _said(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.Name(id=text) | ast.Attribute(attr=text) | ast.alias(name=text) | ast.arg(arg=text):
            return text.replace(".", " ")
        case ast.ImportFrom(module=str() as text):
            return text.replace(".", " ")
    return ""


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
        out = subprocess.run([python, "-I", "-c", _LIST_OURS], cwd=root, capture_output=True, text=True, check=True)
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


def _is_for_types(source: Source, node: ast.AST) -> bool:
    """Does it stand below `if TYPE_CHECKING:`, where nothing is imported when the brain runs?"""
    guards = (one for one in source.tree.body if isinstance(one, ast.If) and ast.unparse(one.test) == "TYPE_CHECKING")
    return any(node in guard.body for guard in guards)


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

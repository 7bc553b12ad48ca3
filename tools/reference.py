"""Writes docs/reference/ from the code: wire, settings, permissions, engines, commands, API. --check only compares."""

from __future__ import annotations

import argparse
import ast
import csv
import dataclasses
import inspect
import json
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from django import conf
from tree import Package, packages
from z4j_bare.config import NAMES, Config
from z4j_core import policy, registered, sealed, timetable, wire
from z4j_core.verbs import SCHEDULER_WORDS, WORDS, Support

from z4j_brain.rbac.states import ROLE_PERMISSIONS, Permission, Role
from z4j_brain.remote import arguments

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
HEAD = "<!-- Written by `make docs`. Edit the code it comes from instead. -->\n\n"
YAML_HEAD = "# Written by `make docs`. Edit the code it comes from instead.\n"


def main() -> int:
    if not conf.settings.configured:
        conf.settings.configure(USE_I18N=False)  # labels in the words of the code
    pages = {
        "protocol.md": HEAD + protocol(),
        "settings.md": HEAD + settings(),
        "permissions.md": HEAD + permissions(),
        "engines.md": HEAD + engines(),
        "schedulers.md": HEAD + schedulers(),
        "actions.md": HEAD + actions(),
        "command-line.md": HEAD + command_line(),
        "openapi.yaml": YAML_HEAD + openapi(),
    }
    stale = [name for name, text in pages.items() if not _same(FOLDER / name, text)]
    if "--check" in sys.argv:
        if stale:
            print(f"docs/reference: {', '.join(stale)} is not what the code says. Run: make docs")
        return bool(stale)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (FOLDER / name).write_text(pages[name])
    return 0


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


# ── The wire ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def protocol() -> str:
    parts = ["# The wire\n", (wire.__doc__ or "").rsplit(" `docs/", 1)[0].strip(), _values()]
    parts += [_enum(value) for value in _public() if isinstance(value, type) and issubclass(value, StrEnum)]
    parts.append("## Messages\n")
    parts += [_message(value) for value in _public() if isinstance(value, type) and hasattr(value, "__total__")]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _public() -> Iterator[Any]:
    """Everything z4j_core.wire defines, in the order of the file, and then its parts that stand elsewhere."""
    for module in (wire, timetable, registered, sealed, policy):
        for name, value in vars(module).items():
            if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__:
                yield value


def _values() -> str:
    """Constants: versions, addresses, limits, the order of states."""
    rows = ["## Versions, addresses and limits", "", "| name | value |", "|---|---|"]
    for name, value in vars(wire).items():
        if name.isupper() and isinstance(value, str | int | tuple | bytes):
            rows.append(f"| `{name}` | `{_plain(value)}` |")
    return "\n".join(rows)


def _plain(value: object) -> str:
    if isinstance(value, int) and value >= 1024 and value % 1024 == 0:
        return f"{value} ({value // 1024} KiB)" if value < 1024 * 1024 else f"{value} ({value // (1024 * 1024)} MiB)"
    return repr(value) if isinstance(value, bytes | tuple) else str(value)


def _enum(kind: type[StrEnum]) -> str:
    if kind is wire.State:
        table = _table(["word", "rank"], [[f"`{member}`", str(wire.RANK[member])] for member in wire.State])
    else:
        table = _table(["word"], [[f"`{member}`"] for member in kind])
    return f"## {kind.__name__}\n\n{_doc(kind)}\n\n{table}".replace("\n\n\n\n", "\n\n")


def _message(kind: type) -> str:
    source = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(source, ast.ClassDef)
    rows = [f"### {kind.__name__}", "", _doc(kind), "", "| field | type | |", "|---|---|---|"]
    for field in source.body:
        if isinstance(field, ast.AnnAssign):
            text = ast.unparse(field.annotation)
            optional = text.startswith("NotRequired[")
            text = (text.removeprefix("NotRequired[").removesuffix("]") if optional else text).replace("|", "\\|")
            rows.append(f"| `{ast.unparse(field.target)}` | {text} | {'optional' if optional else ''} |")
    return "\n".join(rows)


def _doc(kind: type) -> str:
    text = kind.__doc__ or ""
    return "" if text.startswith(("str(", "dict(")) else inspect.cleandoc(text)


# ── Settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_READERS = {"env": "text", "env_bool": "0 or 1", "env_int": "whole number", "env_list": "list, by commas"}
#: What each variable is for. One that is missing here stops `make docs` with its name, and so does one too many.
_BRAIN = {
    "DATA_DIR": "folder of the database, the keys and the secrets",
    "DISK_FLOOR": "megabytes of the data folder's disk below which no events are taken; 2 % of it where that is less",
    "HOST": "address to listen on",
    "PORT": "port to listen on",
    "URL": "address people and agents use; https:// turns on secure cookies and HSTS",
    "SOURCE_URL": "where the footer links the source of what runs here; the brain serves its own files when left out",
    "TRUSTED_PROXIES": "addresses whose forwarded headers count",
    "SECRET_KEY": "Django's secret; made in the data folder when left out",
    "SECRET_KEY_FALLBACKS": "earlier values of it, separated by commas: what they signed is still believed",
    "FIELD_SECRET": "encrypts the seeds of second factors in the database; made in the data folder when left out",
    "ALLOWED_HOSTS": "host names that are answered",
    "DATABASE_URL": "postgres://user:password@host:port/name; SQLite in the data folder when left out",
    "DATABASE_URL_TO": "the PostgreSQL database that `z4j migrate-store` copies to",
    "SESSION_IDLE": "minutes without a click after which a session ends",
    "SESSION_LIFE": "hours after the sign-in at which a session ends",
    "MFA": "who needs a second factor: optional, everybody, or roles, separated by commas",
    "OIDC": "the identity provider by which people may sign in: a JSON object, see how-to/sign-in.md",
    "API_RATE": "requests a minute that each person and each token may send to the API; 0: any number",
    "ANCHOR_FILE": "file to which checkpoints of the audit log are appended; off: none",
    "ANCHOR_SYSLOG": "on: checkpoints of the audit log also go to the syslog; off: they do not",
    "PRIVATE_HOSTS": "hosts of a private network, and sockets, that webhooks and streams may go to all the same",
    "MAIL_URL": "mail server of alerts: smtp://user:password@host (STARTTLS), smtps://, smtp+plain://; none: no e-mail",
    "MAIL_FROM": "address that e-mails of alerts come from",
    "LOG": "json or text",
    "LOG_LEVEL": "DEBUG, INFO, WARNING or ERROR",
    "CHANNEL_URL": "redis:// address that several brain processes share; in memory when left out",
}
_AGENT = {
    "DSN": "the one line that connects; without it the agent does nothing",
    "DSN_PREVIOUS": "the DSN before it, so that older originals can still be opened",
    "REDACTION": "shapes (types, sizes, names), redact (values without secrets) or seal (shapes, and originals sealed);"
    " what the environment's policy has for it when left out, and shapes until that is heard",
    "ALLOW": "verbs the brain may ask for besides retry and cancel",
    "DENY": "verbs it may not ask for",
    "READ_ONLY": "1: the brain may ask for nothing",
    "RATE": "commands a minute that are carried out, each for up to 500 targets; 0: as many as come",
    "SPOOL_DIR": "folder of waiting events and of originals",
    "SPOOL_CAP": "bytes the spool may take",
    "REQUIRE_PROOF": "whether a command has to prove that it stands in the audit log of the brain",
    "ACCEPT_GENERATION": "the audit log that is accepted when it began anew or went back: 2, or 2:207; each once",
    "SEAL_KEY": "private keys that sealed originals open with, or their files, by commas; the first one is sealed to",
    "SEAL_FINGERPRINT": "fingerprints of the public keys that may be sealed to where no private one is, by commas",
    "CODE_VERSION": "the release of your own code; else GIT_COMMIT, SOURCE_VERSION or HEROKU_SLUG_COMMIT",
    "ENGINES": "adapters to use; all that are installed when left out",
    "INSECURE": "1: allow http:// to another host",
}


def settings() -> str:
    """Every Z4J_* variable that the brain and the agent read."""
    brain = _table(["variable", "what it is for", "takes", "default"], _rows(_BRAIN, _brain_settings()))
    agent = _table(["variable", "what it is for", "default"], _rows(_AGENT, _agent_settings()))
    return f"""# Settings

## The brain

Environment variables. `Z4J_<NAME>_FILE` names a file that holds the value instead.

{brain}

## The agent, in your process

Environment variables, or without `Z4J_` in the dictionary `Z4J` of Django's settings, which wins.

{agent}
"""


def _rows(purposes: dict[str, str], found: dict[str, list[str]]) -> list[list[str]]:
    if difference := purposes.keys() ^ found.keys():
        raise SystemExit(f"tools/reference.py: say what {', '.join(sorted(difference))} is for, or leave it out")
    return [[f"`Z4J_{name}`", purposes[name], *facts] for name, facts in found.items()]


def _brain_settings() -> dict[str, list[str]]:
    """From the source: the calls of its four readers, in order."""
    tree = ast.parse((ROOT / "z4j_brain" / "settings.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found = (_setting(node) for node in sorted(calls, key=lambda call: call.lineno))
    return {name: facts for name, *facts in filter(None, found)}


def _setting(node: ast.AST) -> tuple[str, str, str] | None:
    match node:
        case ast.Call(func=ast.Name(id=reader), args=[ast.Constant(value=str() as name), *rest]) if reader in _READERS:
            return name, _READERS[reader], f"`{ast.unparse(rest[0])}`" if rest else ""
    return None


def _agent_settings() -> dict[str, list[str]]:
    defaults = {field.name.upper(): field.default for field in dataclasses.fields(Config)}
    known = {name: defaults.get(name) for name in sorted(NAMES)}
    return {name: [f"`{value}`" if isinstance(value, str | int) else ""] for name, value in known.items()}


# ── Permissions ──────────────────────────────────────────────────────────────────────────────────────────────────────


def permissions() -> str:
    roles = list(Role)
    head = ["permission", "what it allows", *(str(role.label) for role in roles)]
    rows = [
        [f"`{one.value}`", str(one.label), *("yes" if one in ROLE_PERMISSIONS[role] else "" for role in roles)]
        for one in Permission
    ]
    text = (
        "Roles are sets of permissions, not a ladder. A token has those permissions of its user that its scopes name,\n"
    )
    return f"# Permissions\n\n{text}in the project it is bound to.\n\n{_table(head, rows)}\n{_tested()}"


def _tested() -> str:
    """The table that the tests hold every action and every address against."""
    path = ROOT / "tests" / "rbac" / "permissions.csv"
    if not path.exists():
        return ""
    with path.open() as file:
        head, *rows = [row for row in csv.reader(file) if row]
    return f"\n## Who may do what, as tested\n\n{_table(head, rows)}\n"


# ── The engines ──────────────────────────────────────────────────────────────────────────────────────────────────────

_SIGNS = {Support.NATIVE: "yes", Support.EMULATED: "by us", Support.NONE: "no"}


def engines() -> str:
    """What each adapter of this tree can do: asked in its own environment, beside its own engine."""
    text = """# What can be done with which engine

`yes`: the engine's own API does it. `by us`: the engine has no API for it; the adapter does it through the engine's
storage, a subclass or what it keeps private. `no`: it cannot be done, and the reason is below. What a particular worker
can do may be less (its broker, its pool, its owner's settings): the page *Capabilities* of the panel says so for yours.
Each `yes` and each `by us` is shown to change the world by a test of the conformance suite or of the adapter.
"""
    return _matrix(text, WORDS, [_asked(package) for package in _adapters() if package.engines])


def schedulers() -> str:
    """The same of schedulers."""
    text = """# What can be done with which scheduler

`yes`: the scheduler's own API does it. `by us`: the scheduler has no API for it; the adapter does it in the scheduler's
own process, through its storage, or by what it keeps of the owner's wishes and applies again after a restart. `no`: it
cannot be done, and the reason is below. What a particular schedule allows may be less: its page says so. Schedules of
z4j's own can all of this, for every engine whose workers allow `run`: [how](../how-to/schedules.md).
"""
    told = [_asked(package, "schedulers") for package in _adapters() if package.schedulers]
    return _matrix(text, SCHEDULER_WORDS, told)


def _adapters() -> list[Package]:
    return [package for package in packages(ROOT) if (package.folder / "requirements.txt").exists()]


def _matrix(text: str, words: Mapping[str, str], told: Sequence[Mapping[str, Any]]) -> str:
    found = {name: facts for each in told for name, facts in each.items()}
    names = sorted(found)
    rows = [
        [words[verb], *(_SIGNS[Support(found[name]["cells"][verb]["support"])] for name in names)] for verb in words
    ]
    parts = [text, _table(["", *names], rows), *(_notes(name, found[name], words) for name in names)]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _asked(package: Package, *kind: str) -> dict[str, dict[str, Any]]:
    """Only of what the package itself registers: its environment may have adapters of others."""
    command = [str(package.python), "-m", "z4j_core.matrix", *kind]
    told = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)
    own = set(package.schedulers.values() if kind else package.engines)
    return {name: facts for name, facts in told.items() if (facts["by"] if kind else name) in own}


def _notes(name: str, facts: dict[str, Any], words: Mapping[str, str]) -> str:
    cells = [(verb, facts["cells"][verb]) for verb in words if facts["cells"][verb]["note"]]
    rows = [[words[verb], _SIGNS[Support(cell["support"])], cell["note"].replace("|", "\\|")] for verb, cell in cells]
    return (
        f"## {name}\n\nNeeds {', '.join(f'`{need}`' for need in facts['needs'])}.\n\n{_table(['', '', 'note'], rows)}"
    )


# ── The command line ─────────────────────────────────────────────────────────────────────────────────────────────────


def command_line() -> str:
    """What can be asked of a brain from outside, as its parsers have it."""
    text = """# The command line

These ask a brain over its REST API: [how](../how-to/command-line.md). What runs a brain is `z4j serve`, `z4j web` and
`z4j housekeeping`; `z4j help` names the other commands of a brain.

Exit codes: 0 done, 1 failed or refused, 2 not understood, 3 partly done, 130 interrupted.
"""
    shared = {one.dest for one in _options(arguments.Command("", "", "", ()))}
    everywhere = _options_table(_options(arguments.Command("", "", "", ())))
    parts = [text, f"## With every command\n\n{everywhere}\n"]
    for command in arguments.COMMANDS:
        own = [one for one in _options(command) if one.dest not in shared]
        places = " ".join(_place(one) for one in own if not one.option_strings)
        words = " ".join(("z4j", *command.words, places)).rstrip()
        parts.append(f"## {words}\n\n{command.promise}\n\n{_options_table(own)}\n")
    return "\n".join(parts)


def _options(command: arguments.Command) -> list[argparse.Action]:
    return [one for one in command.parser()._actions if one.dest != "help"]


def _place(option: argparse.Action) -> str:
    name = str(option.metavar)
    return {"*": f"[{name} ...]", "+": f"{name} [{name} ...]"}.get(str(option.nargs), name)


def _options_table(options: list[argparse.Action]) -> str:
    rows = [[f"`{_spelling(one)}`", str(one.help).replace("|", "\\|")] for one in options]
    return _table(["", ""], rows)


def _spelling(option: argparse.Action) -> str:
    if not option.option_strings:
        return str(option.metavar)
    takes = "" if option.nargs == 0 else option.metavar or "\\|".join(map(str, option.choices or ()))
    return f"{option.option_strings[0]} {takes}".rstrip()


# ── The actions ──────────────────────────────────────────────────────────────────────────────────────────────────────


def actions() -> str:
    """What can be asked of tasks, queues, workers and registered tasks, as the apps register it."""
    with tempfile.TemporaryDirectory() as folder:
        settings = os.environ | {"Z4J_DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "z4j_brain.settings"}
        command = [sys.executable, "tools/actions.py"]
        path = {"PYTHONPATH": str(ROOT)}
        found = subprocess.run(command, cwd=ROOT, env=settings | path, check=True, stdout=subprocess.PIPE, text=True)
    told = json.loads(found.stdout)
    text = """# Actions

What `POST /api/v1/<project>/<environment>/operations/` takes as `action`, and `.../operations/preview/` before it. Each
becomes an operation: its targets are frozen and judged, sent in commands of up to 200, and settled one by one.
[How](../how-to/bulk.md). Which engine can do what, [its own table](engines.md) says.

## Options of every action
"""
    parts = [text, _table(["option", "needed", ""], told["pace"]), ""]
    for name, one in told["actions"].items():
        facts = [f"Targets: {one['kind']}s.", f"Permission: `{one['permission']}`."]
        facts += ["It can be taken back."] if one["undoable"] else []
        facts += ["`confirm` has to be the number that the preview says."] if one["typed"] else []
        parts.append(f"## `{name}`\n\n{one['promise']} {' '.join(facts)}\n")
        parts += [_table(["option", "needed", ""], one["options"]), ""] if one["options"] else []
    return "\n".join(parts)


# ── The API ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def openapi() -> str:
    """What /api/v1/schema/ answers, from a brain with a data folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "manage.py", "spectacular", "--validate", "--fail-on-warn"]
        settings = os.environ | {"Z4J_DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "z4j_brain.settings"}
        return subprocess.run(command, cwd=ROOT, env=settings, check=True, stdout=subprocess.PIPE, text=True).stdout


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


if __name__ == "__main__":
    sys.exit(main())

"""How pip and apt reach their registries on this machine, lent to the steps of an image while they run.

Proxies, pip's settings and files, and apt's ways to fetch come along; files and folders that these name are bound into
the root, below /run, which is no part of what stays.
"""

from __future__ import annotations

import configparser
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

PLACE = "/run/lent"
_VARIABLES = re.compile(r"PIP_(?!CONFIG_FILE).+|SSL_CERT_FILE|(https?|no|all|ftp)_proxy", re.IGNORECASE)
_FETCHING = re.compile(r"^Acquire::(https?|Check-|Retries|ForceIPv4).*;$")
_PATH = re.compile(r"(?<![\w/.:-])(file://)?(/[\w./+-]+)")


def to(root: Path, work: Path) -> tuple[list[str], dict[str, str]]:
    """Lines of the shell that bind it all into this root, and the variables that a step gets."""
    work.mkdir(exist_ok=True)
    bound: dict[Path, str] = {}

    def there(text: str) -> str:
        return _PATH.sub(lambda found: (found[1] or "") + _bind(Path(found[2]), bound), text)

    variables = {name: there(value) for name, value in os.environ.items() if _VARIABLES.fullmatch(name)}
    _write(work / "pip.conf", _pip(), there)
    _write(work / "apt.conf", "\n".join(_apt()), there)
    variables |= {"PIP_CONFIG_FILE": f"{PLACE}/own/pip.conf", "APT_CONFIG": f"{PLACE}/own/apt.conf"}
    bound[work] = f"{PLACE}/own"
    lines = [f"mount -t tmpfs -o mode=0755 tmpfs {root}/run"]
    for source, target in bound.items():
        make = "mkdir -p" if source.is_dir() else f"mkdir -p {root}{PLACE} && touch"
        lines += [f"{make} {root}{target}", f"mount --bind -o ro {shlex.quote(str(source))} {root}{target}"]
    return lines, variables | {"DEBIAN_FRONTEND": "noninteractive"}


def mirror() -> list[str]:
    """Where Debian's packages come from on this machine, if it is a Debian; otherwise debootstrap knows a place."""
    folder = Path("/etc/apt")
    for path in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        if path.suffix in (".list", ".sources") and path.exists():
            found = re.search(
                r"^(?:URIs:|deb\s+(?:\[.*?\]\s+)?)\s*(\S+/debian)/?(?:\s|$)", path.read_text(), re.MULTILINE
            )
            if found:
                return [found[1]]
    return []


def _bind(path: Path, bound: dict[Path, str]) -> str:
    """The path by which a step finds this file or folder of the machine; itself, where there is none."""
    if not path.exists() or path == Path("/"):
        return str(path)
    # An index names its files from the folder above.
    source = path.parent if path.is_dir() and path.parent != Path("/") else path
    place = bound.setdefault(source, f"{PLACE}/{len(bound)}")
    return place if source == path else f"{place}/{path.name}"


def _pip() -> str:
    """All of pip's files as one, the later before the earlier."""
    home = Path.home()
    files: list[str | Path] = [
        "/etc/pip.conf",
        home / ".pip/pip.conf",
        home / ".config/pip/pip.conf",
        os.environ.get("PIP_CONFIG_FILE", ""),
    ]
    parser = configparser.RawConfigParser()
    parser.read([path for path in files if os.path.isfile(path)])
    lines = []
    for section in parser.sections():
        lines += [f"[{section}]", *(f"{key} = {_folded(value)}" for key, value in parser.items(section))]
    return "\n".join(lines)


def _folded(value: str) -> str:
    return value.replace("\n", "\n  ")


def _apt() -> Iterator[str]:
    told = subprocess.run(["apt-config", "dump"], capture_output=True, text=True).stdout
    yield from (line for line in told.splitlines() if _FETCHING.match(line))


def _write(path: Path, text: str, there: Callable[[str], str]) -> None:
    path.write_text("\n".join(there(line) for line in text.splitlines()) + "\n")
    path.chmod(0o644)

"""Gathers what the panel says into z4j_brain/locale/ and compiles it; needs GNU gettext. --check only compares."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CATALOG = Path("z4j_brain/locale/de/LC_MESSAGES/django.po")
#: Beside the panel: what says nothing to its readers.
IGNORED = ("tests", "z4j_agents", "demo", "tools", "docs", "deploy", "static", "templates/style", ".venv*", ".z4j")
_DATED = re.compile(rb'^"POT-Creation-Date: .*\n', re.M)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where something would change")
    if not parser.parse_args().check:
        gather(ROOT)
        print(f"Written: {CATALOG}. {count(ROOT)}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("z4j_brain", "templates", "manage.py"):
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, copy / name)
        gather(copy)
        stale = [name for name in (CATALOG, CATALOG.with_suffix(".mo")) if differs(copy / name, ROOT / name)]
        told = count(copy)
    for path in stale:
        print(f"{path} is not what the pages say: make messages")
    if "fuzzy" in told or "untranslated" in told:
        print(f"{CATALOG}: {told}")
        return 1
    return 1 if stale else 0


def gather(root: Path) -> None:
    """Every message into the catalog; what is not said any more leaves it."""
    ignored = [part for name in IGNORED for part in ("--ignore", f"{name}/*" if "*" not in name else name)]
    written = ["--locale", "de", "--no-obsolete", "--no-wrap", "--add-location", "file", "--verbosity", "0"]
    subprocess.run([sys.executable, "manage.py", "makemessages", *written, *ignored], cwd=root, check=True)
    catalog = root / CATALOG
    catalog.write_bytes(_DATED.sub(b"", catalog.read_bytes()))
    subprocess.run(["msgfmt", "--check-format", "-o", catalog.with_suffix(".mo"), catalog], check=True)


def count(root: Path) -> str:
    """In msgfmt's words: `2,000 translated messages`, and what is fuzzy or untranslated where anything is."""
    asked = ["msgfmt", "--statistics", "-o", "/dev/null", str(root / CATALOG)]
    told: str = subprocess.run(asked, capture_output=True, text=True, check=True).stderr
    return told.strip()


def differs(one: Path, other: Path) -> bool:
    return not other.exists() or one.read_bytes() != other.read_bytes()


if __name__ == "__main__":
    sys.exit(main())

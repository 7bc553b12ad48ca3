"""Keeps the source of an earlier state of this tree beside the tests: "the release before", until there is one.

    .venv/bin/python -m tests.upgrade.pack COMMIT

It stands in a file because a clone need not have the history, and a tree that was unpacked has none. When a release was
made, pack its tag: from then on, that is what agents and brains of the release before are.
"""

from __future__ import annotations

import lzma
import subprocess
import sys
from pathlib import Path

from tests.store import ROOT

#: A brain, and the agent with one engine that needs no broker beside it.
AGENT = ("z4j-core", "z4j-bare", "z4j-huey")
PARTS = [
    "z4j_brain", "templates", "static", "pyproject.toml", "README.md", "LICENSES", "requirements/base.txt",
    *(f"z4j_agents/{name}" for name in AGENT),
]  # fmt: skip
#: Not needed to run it.
LEFT = ["z4j_agents/*/tests", "z4j_agents/*/demo", "static/vendor/inter/*.woff2"]
SOURCE = Path(__file__).parent / "before.source.tar.xz"


def main(commit: str) -> None:
    left = [f":(exclude){pattern}" for pattern in LEFT]
    packed = subprocess.run(["git", "archive", commit, *PARTS, *left], cwd=ROOT, check=True, capture_output=True).stdout
    SOURCE.write_bytes(lzma.compress(packed, preset=9 | lzma.PRESET_EXTREME))
    sys.stdout.write(f"{SOURCE.name}: {len(packed):,} bytes, packed {SOURCE.stat().st_size:,}\n")


if __name__ == "__main__":
    main(sys.argv[1])

"""`python -m z4j_core.redaction corpus FILE`: how much of what must not leave does leave, by examples."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from z4j_core.policy import Mode
from z4j_core.redaction import Redactor
from z4j_core.redaction.corpus import read, score


def main() -> int:
    """Exit code 0, and 2 for a file that cannot be read: what a score has to be is for whoever reads it."""
    parser = argparse.ArgumentParser(prog="python -m z4j_core.redaction", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    corpus = commands.add_parser("corpus", help="score a file of examples, and print it as JSON")
    corpus.add_argument("file", type=Path)
    corpus.add_argument("--mode", choices=list(map(str, Mode)), default=str(Mode.REDACT))
    corpus.add_argument("--rows", action="store_true", help="also which examples leaked or lost what was to be kept")
    chosen = parser.parse_args()
    try:
        found = score(Redactor(chosen.mode), read(chosen.file))
    except (OSError, ValueError) as error:
        parser.error(str(error))
    told = {name: what for name, what in found.items() if name != "rows" or chosen.rows}
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`z4j-agent keys`: the key that originals are sealed to is made where its private half stays, on a worker's host."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from z4j_bare import seal_keys
from z4j_bare.config import Config, InvalidSetting


def options(parser: argparse.ArgumentParser) -> None:
    steps = parser.add_subparsers(required=True, dest="step")
    init = steps.add_parser("init", help="make a key: its private half is for the workers, the brain never gets it")
    init.add_argument("--out", default="", metavar="FILE", help="write the private key here, for its owner alone")
    steps.add_parser("show", help="print the fingerprints of the keys that the settings name here")


def init(out: str) -> int:
    """Print or write a new key; 1 when it cannot be written."""
    key = seal_keys.make()
    try:
        if out:
            seal_keys.save(key, Path(out))
    except OSError as error:
        sys.stderr.write(f"{out} cannot be written: {error.strerror}. No key was made.\n")
        return 1
    private = Path(out).resolve() if out else seal_keys.write(key)
    sys.stdout.write(f"# For the workers that may open originals:\nZ4J_SEAL_KEY={private}\n")
    sys.stdout.write(f"# For those that only seal:\nZ4J_SEAL_FINGERPRINT={seal_keys.print_of(key.public_key())}\n")
    sys.stdout.write(f"# The public key, which anybody may see: {seal_keys.tell(key.public_key())}\n")
    return 0


def show() -> int:
    """1 when there is none, 2 when nobody can tell."""
    try:
        config = Config.read({})
    except InvalidSetting as error:
        sys.stderr.write(f"{error}\n")
        return 2
    keys = config.seal if config else seal_keys.SealKeys()
    for key in keys.private:
        sys.stdout.write(f"opens  {seal_keys.print_of(key.public_key())}\n")
    sys.stdout.writelines(f"pinned {one}\n" for one in sorted(keys.pinned))
    return 0 if keys else 1

"""The command `z4j`: `z4j serve` runs the brain, `z4j web`, `z4j housekeeping` and `z4j signer` its parts; `z4j tasks`,
`z4j schedules`, `z4j bulk` and `z4j reveal` ask a brain that runs somewhere; the rest is Django's.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pkgutil import resolve_name

from z4j_brain.remote import command as remote
from z4j_brain.remote.arguments import GROUPS

#: What each of our own commands runs, and what it says of itself.
ROLES = {
    "serve": "Run the whole brain in one process: panel, API, gateway and housekeeping.",
    "web": "Answer as one of several processes: panel, API and gateway. Those of one machine may share a port.",
    "housekeeping": "Keep the house as one of several processes; it listens nowhere.",
    "signer": "Sign the audit log as one of several processes. Run one; a second one waits for its turn.",
}


def main() -> None:
    if sys.argv[1:2] and sys.argv[1] in GROUPS:
        remote.main()
    os.umask(0o077)  # the database, the keys and whatever else is written here concern nobody else
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "z4j_brain.settings")
    if sys.argv[1:2] and sys.argv[1] in ROLES:
        run(sys.argv[1], sys.argv[2:])
    else:
        # By name: it takes a while to load, and who asks a brain elsewhere has no use for it.
        manage(resolve_name("django.core.management:execute_from_command_line"))


def manage(execute: Callable[[list[str]], None]) -> None:
    """One of Django's commands. Where no brain has ever started, the mistake is nearly always the place."""
    try:
        execute(sys.argv)
    except Exception as error:
        folder = resolve_name("django.conf:settings").Z4J_DATA_DIR
        if not resolve_name("z4j_brain.lib.schema:is_missing")(error):
            raise
        hint = "Set Z4J_DATA_DIR or Z4J_DATABASE_URL to what your brain runs with (make run: Z4J_DATA_DIR=.z4j/run)"
        sys.exit(f"No brain has started on this database yet (data folder {folder}). {hint}, or start it once.")


def run(role: str, arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog=f"z4j {role}", description=ROLES[role])
    if role in ("serve", "web"):
        parser.add_argument("--host", help="the address to listen on (Z4J_HOST, 127.0.0.1)")
        parser.add_argument("--port", type=int, help="the port to listen on (Z4J_PORT, 7700)")
    for name, value in vars(parser.parse_args(arguments)).items():
        if value is not None:
            os.environ[f"Z4J_{name.upper()}"] = str(value)
    resolve_name("django:setup")()
    # By name, since it imports models: they need the settings, and the settings need the lines above.
    resolve_name(f"z4j_brain.server:{role}")()


if __name__ == "__main__":
    main()

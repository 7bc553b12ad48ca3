"""The command `z4j`: `z4j serve` runs the brain; everything else is a command of Django's."""

from __future__ import annotations

import argparse
import os
import sys

import django
from django.core.management import execute_from_command_line
from django.utils.module_loading import import_string


def main() -> None:
    os.umask(0o077)  # the database, the keys and whatever else is written here concern nobody else
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "z4j_brain.settings")
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2:])
    else:
        execute_from_command_line(sys.argv)


def serve(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="z4j serve", description="Run the brain: panel, API, gateway, housekeeping.")
    parser.add_argument("--host", help="the address to listen on (Z4J_HOST, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="the port to listen on (Z4J_PORT, 7700)")
    options = parser.parse_args(arguments)
    for name, value in (("Z4J_HOST", options.host), ("Z4J_PORT", options.port)):
        if value is not None:
            os.environ[name] = str(value)
    django.setup()
    # By name, since it imports models: they need the settings, and the settings need the lines above.
    import_string("z4j_brain.server.serve")()


if __name__ == "__main__":
    main()

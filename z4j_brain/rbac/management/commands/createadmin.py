"""First-run set-up for scripts: what the one-time link does in a browser."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from z4j_brain.lib import keys, schema
from z4j_brain.rbac import actions
from z4j_brain.rbac.access import INSTANCE
from z4j_brain.rbac.actor import COMMAND_LINE


class Command(BaseCommand):
    help = "Make the first administrator of a new instance, who owns the project 'default'."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--username", required=True)
        password = parser.add_mutually_exclusive_group(required=True)
        password.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
        password.add_argument("--password-file", type=Path, help="read the password from this file")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path | None = options["password_file"]
        password = (file.read_text() if file else sys.stdin.readline()).rstrip("\r\n")
        schema.migrate()
        keys.ring()
        try:
            user = actions.create_owner(INSTANCE, options["username"], password, actor=COMMAND_LINE)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(f"{user.get_username()} owns this instance.")

"""The SQL that gives the brain a database role which cannot change the audit log."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from z4j_brain.ledger import roles


class Command(BaseCommand):
    help = "Print the SQL for a PostgreSQL role that runs the brain and can only read and add to the audit log."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--app", default="z4j_app", help="the name of the role")
        parser.add_argument("--schema", default="public")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(roles.statements(options["app"], options["schema"]))

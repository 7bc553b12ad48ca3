"""Agent keys from the command line of the brain's own machine."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from z4j_brain.agents import actions
from z4j_brain.rbac.actor import COMMAND_LINE
from z4j_brain.rbac.models import Environment


class Command(BaseCommand):
    help = "Mint a key for the agents of an environment, and print the DSN that carries it: nobody can show it again."

    def add_arguments(self, parser: CommandParser) -> None:
        create = parser.add_subparsers(dest="verb", required=True).add_parser("create")
        create.add_argument("place", metavar="project/environment")
        create.add_argument("--name", default="workers", help="what it is for")
        create.add_argument("--days", type=int, default=180)

    def handle(self, *args: Any, **options: Any) -> None:
        project, _, slug = options["place"].partition("/")
        environment = Environment.objects.filter(project__slug=project, slug=slug).first()
        if environment is None:
            raise CommandError(f"There is no environment {options['place']}.")
        _, dsn = actions.mint_key(environment, name=options["name"], days=options["days"], actor=COMMAND_LINE)
        self.stdout.write(dsn)

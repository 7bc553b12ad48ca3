"""API tokens from the command line of the brain's own machine."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from z4j_brain.rbac import actions
from z4j_brain.rbac.actor import COMMAND_LINE
from z4j_brain.rbac.models import Project, User
from z4j_brain.rbac.states import Permission


class Command(BaseCommand):
    help = "Mint an API token of a person, and print it: nobody can show it again."

    def add_arguments(self, parser: CommandParser) -> None:
        create = parser.add_subparsers(dest="verb", required=True).add_parser("create")
        create.add_argument("--username", required=True)
        create.add_argument("--name", required=True, help="what it is for")
        create.add_argument("--scope", action="append", choices=Permission.values, help="repeat it; all when left out")
        create.add_argument("--project", help="the slug of the only project it is good for")
        create.add_argument("--days", type=int, default=90)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user = User.objects.get(username=options["username"])
            project = Project.objects.get(slug=options["project"]) if options["project"] else None
        except (User.DoesNotExist, Project.DoesNotExist) as error:
            raise CommandError(str(error)) from error
        _, text = actions.mint_token(
            user,
            name=options["name"],
            scopes=[Permission(scope) for scope in options["scope"] or Permission.values],
            project=project,
            days=options["days"],
            actor=COMMAND_LINE,
        )
        self.stdout.write(text)

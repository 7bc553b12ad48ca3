"""Projects from the command line of the brain's own machine."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from z4j_brain.rbac import actions
from z4j_brain.rbac.access import INSTANCE
from z4j_brain.rbac.actor import COMMAND_LINE
from z4j_brain.rbac.models import User


class Command(BaseCommand):
    help = "Make a project with its first owner. It has no environment yet: z4j environment create."

    def add_arguments(self, parser: CommandParser) -> None:
        create = parser.add_subparsers(dest="verb", required=True).add_parser("create")
        create.add_argument("slug", help="its part of addresses")
        create.add_argument("--owner", required=True, metavar="USERNAME")
        create.add_argument("--name", help="as people read it; the slug when left out")

    def handle(self, *args: Any, **options: Any) -> None:
        owner = User.objects.filter(username=options["owner"]).first()
        if owner is None:
            raise CommandError(f"There is no user {options['owner']}.")
        slug = options["slug"]
        name = options["name"] or slug.capitalize()
        try:
            actions.create_project(INSTANCE, slug, name, owner=owner, actor=COMMAND_LINE)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(slug)

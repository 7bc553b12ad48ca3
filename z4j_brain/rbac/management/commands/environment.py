"""Environments from the command line of the brain's own machine."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from z4j_brain.rbac import actions
from z4j_brain.rbac.actor import COMMAND_LINE
from z4j_brain.rbac.models import Project
from z4j_brain.rbac.states import EnvironmentKind


class Command(BaseCommand):
    help = "Make an environment of a project. Agents get there by a key of it: z4j agent-key create."

    def add_arguments(self, parser: CommandParser) -> None:
        create = parser.add_subparsers(dest="verb", required=True).add_parser("create")
        create.add_argument("place", metavar="project/environment")
        create.add_argument("--name", help="as people read it; the slug when left out")
        create.add_argument("--kind", choices=EnvironmentKind.values, default=EnvironmentKind.PRODUCTION.value)

    def handle(self, *args: Any, **options: Any) -> None:
        known, _, slug = options["place"].partition("/")
        project = Project.objects.filter(slug=known).first()
        if project is None:
            raise CommandError(f"There is no project {known}: z4j project create.")
        name, kind = options["name"] or slug.capitalize(), EnvironmentKind(options["kind"])
        try:
            actions.create_environment(project, slug, name, kind=kind, actor=COMMAND_LINE)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(options["place"])

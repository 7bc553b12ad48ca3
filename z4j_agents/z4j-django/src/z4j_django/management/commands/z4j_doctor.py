"""`manage.py z4j_doctor`: what works between this project, its engines and the brain, and what does not."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from z4j_bare import cli

from z4j_django import project


class Command(BaseCommand):
    help = "Try every hop from the settings to a task that a worker runs and the brain sees."
    #: What it says is more to the point than a check that stops it.
    requires_system_checks: list[str] = []  # noqa: RUF012

    def add_arguments(self, parser: CommandParser) -> None:
        cli.options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        if not project.is_usable():
            self.stderr.write('Z4J is not a dictionary: write Z4J = {"DSN": "https://..."}.')
            sys.exit(1)
        sys.exit(cli.examine(options, self.stdout.write))

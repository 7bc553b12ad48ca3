"""Moving an installation from SQLite to PostgreSQL, from the command line of the brain's own machine."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from z4j_brain.housekeeping import storecopy


class Command(BaseCommand):
    help = "Copy everything from SQLite to an empty PostgreSQL database, all or nothing, while the brain is stopped."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        told = "postgres://user:password@host:port/name; or set Z4J_DATABASE_URL_TO, or Z4J_DATABASE_URL_TO_FILE"
        parser.add_argument("url", nargs="?", default=settings.Z4J_DATABASE_URL_TO, help=told)
        parser.add_argument("--dry-run", action="store_true", help="say what would be copied, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["url"]:
            raise CommandError("Say where to: postgres://user:password@host:port/name, or Z4J_DATABASE_URL_TO.")
        try:
            storecopy.open_stores(options["url"], alone=not options["dry_run"])
            self._say_what() if options["dry_run"] else self._copy()
        except (storecopy.CannotCopy, ImproperlyConfigured, ValueError) as error:
            raise CommandError(f"{error}\nNothing was copied.") from error

    def _say_what(self) -> None:
        found = storecopy.counts()
        for table, rows in found.items():
            self.stdout.write(f"{table}: {rows:,} rows")
        self.stdout.write(f"{sum(found.values()):,} rows would be copied; the target is empty. Sessions stay behind.")

    def _copy(self) -> None:
        storecopy.copy(self._tell)
        self.stdout.write(
            "Everything was copied and compared. Set Z4J_DATABASE_URL to the new database, keep Z4J_DATA_DIR (the keys "
            "are there), and start the brain; people sign in again. The old file was not changed."
        )

    def _tell(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

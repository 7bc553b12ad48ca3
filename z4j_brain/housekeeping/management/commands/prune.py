"""`z4j prune`: what is past its days goes now, whoever keeps the house; or is only counted."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from z4j_brain.housekeeping import retention
from z4j_brain.lib.capped import Count
from z4j_brain.rbac.models import Environment, Sweep
from z4j_brain.rbac.retention import KINDS, due

_FOREVER = float("inf")


class Command(BaseCommand):
    help = "Forget what is past the days its environment keeps it for, kind by kind, and say how much that was."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only count what would go")
        parser.add_argument("--environment", metavar="project/environment", help="of this environment only")
        parser.add_argument(
            "--vacuum", action="store_true", help="then make the file smaller (SQLite; stops all writing)"
        )
        parser.add_argument("--json", action="store_true", help="one object, by environment and kind")

    def handle(self, *args: Any, **options: Any) -> None:
        places = list(_places(options["environment"]))
        retention.prepare()
        if options["dry_run"]:
            counts = {str(place): due(place, seconds=_FOREVER) for place in places}
        else:
            counts = self._prune(places, quiet=options["json"])
        if options["json"]:
            told = {place: {kind: count.number for kind, count in kinds.items()} for place, kinds in counts.items()}
            self.stdout.write(json.dumps(told))
        else:
            self._tell(counts, "would go" if options["dry_run"] else "gone")
        if options["vacuum"] and not options["dry_run"]:
            self._vacuum()

    def _prune(self, places: list[Environment], *, quiet: bool) -> dict[str, dict[str, Count]]:
        before = _removed(places)
        for place in places:
            for kind in KINDS.values():
                for gone in retention.sweep_now(place, kind.name):
                    if not quiet and self.stderr.isatty():
                        self.stderr.write(f"\r{place}: {kind.title}: {gone:,} gone", ending="\x1b[K")
        if not quiet and self.stderr.isatty():
            self.stderr.write("\r", ending="\x1b[K")
        after = _removed(places)
        return {
            str(place): {
                kind: Count(number, capped=False)
                for kind in KINDS
                if (number := after[place.pk, kind] - before[place.pk, kind])
            }
            for place in places
        }

    def _tell(self, counts: dict[str, dict[str, Count]], word: str) -> None:
        for place, kinds in counts.items():
            if not kinds:
                self.stdout.write(f"{place}: nothing is past its days")
            for name, count in kinds.items():
                self.stdout.write(f"{place}: {KINDS[name].title}: {count} {word}")

    def _vacuum(self) -> None:
        """SQLite writes the whole anew: twice, once beside the database and once into its log."""
        if connection.vendor != "sqlite":
            raise CommandError("PostgreSQL gives room back by itself: whole days at once, and autovacuum the rest.")
        file = Path(str(connection.settings_dict["NAME"]))
        size, free = file.stat().st_size, shutil.disk_usage(file.parent).free
        if free < 2 * size:
            raise CommandError(f"It takes {2 * size:,} bytes beside the database; {free:,} are free on its disk.")
        os.environ["SQLITE_TMPDIR"] = str(file.parent)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.stdout.write(f"{size:,} bytes before, {file.stat().st_size:,} now")


def _places(name: str | None) -> Iterator[Environment]:
    places = Environment.objects.select_related("project").order_by("project__slug", "slug")
    if name:
        project, _, slug = name.partition("/")
        places = places.filter(project__slug=project, slug=slug)
        if not places:
            raise CommandError(f"There is no environment {name}.")
    yield from places


def _removed(places: list[Environment]) -> dict[tuple[int, str], int]:
    """By environment and kind, how much has gone since its horizon is what it is now."""
    for place in places:
        for kind in KINDS:
            retention.move_horizon(place, kind)
    sweeps = Sweep.objects.filter(environment__in=places)
    return {(sweep.environment_id, sweep.kind): sweep.removed for sweep in sweeps}

"""`z4j backup`: the whole installation as one file, while the brain goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from z4j_brain.housekeeping import backup, dumps


class Command(BaseCommand):
    help = "Write everything to one new file: the store, the keys, the secrets, and the head of the audit log."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the file to write, such as z4j.tar.gz; there must be none yet")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        try:
            manifest, digest = backup.back_up(file)
        except (dumps.CannotDump, OSError) as error:
            raise CommandError(f"{error}\nNothing was written.") from error
        self.stdout.write(f"{file}: {file.stat().st_size:,} bytes, SHA-256 {digest}")
        self.stdout.write(f"Audit log: {manifest.head or 'nothing was sealed yet'}")
        for setting in manifest.elsewhere:
            self.stdout.write(f"Not in it, since a setting brings it: {setting}. Keep that as well.")
        if "keys/log" not in manifest.parts:
            self.stdout.write("Not in it: keys/log, the private key of the audit log, which the signer's machine has.")
        self.stdout.write(
            "Private keys are in it: keep it where nobody else reads, and note the lines above elsewhere."
        )

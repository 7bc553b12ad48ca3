"""`z4j restore`: an installation out of the file that `z4j backup` wrote, proven before it stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from z4j_brain.housekeeping import archive, backup, dumps
from z4j_brain.housekeeping.backup import Restored
from z4j_brain.ledger.states import LogState

_ANEW = "z4j audit acknowledge-rollback --reason WHY --recovery-key FILE"
#: What is left to be decided, by how the signer takes the log.
_DECIDE = {
    LogState.ROLLBACK: (
        "Entries that were signed after this backup are lost. Agents that saw them carry out no command until a new "
        f"generation of the log begins, which only the recovery key can vouch for:\n  {_ANEW}"
    ),
    LogState.UNTRUSTED: (
        "What the signer remembers is in no backup, so a person decides. Compare the head above with the newest "
        "checkpoint that is kept outside (an anchor's, an agent's). Is it the same:\n"
        "  z4j audit trust-head --reason WHY\n"
        "Is there a newer one, or may there be: entries are lost, and agents that saw them carry out no command until "
        f"a new generation of the log begins:\n  {_ANEW}"
    ),
}


class Command(BaseCommand):
    help = "Restore what `z4j backup` wrote, all or nothing, while the brain is stopped; the audit log has to verify."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the file that `z4j backup` wrote")
        parser.add_argument(
            "--replace",
            action="store_true",
            help="take the place of the installation that is here, which is kept aside",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            restored = backup.restore(options["file"], replace=options["replace"])
        except (backup.CannotRestore, archive.BadArchive, dumps.CannotDump, DatabaseError, OSError) as error:
            raise CommandError(f"{error}\nNothing was restored; what was here is as it was.") from error
        self._tell(restored)

    def _tell(self, restored: Restored) -> None:
        manifest = restored.manifest
        self.stdout.write(f"Restored: what release {manifest.version} had on {manifest.made}.")
        self.stdout.write(f"The audit log verifies: {manifest.head or 'nothing was sealed yet'}")
        if restored.aside:
            self.stdout.write(f"What was here before is kept as {restored.aside}; remove it when you are content.")
        for setting in manifest.elsewhere:
            self.stdout.write(f"Set {setting} to what it was: it is not in the backup.")
        if restored.standing is None:
            self.stdout.write("The signer goes on from there: start the brain.")
        else:
            self.stdout.write(f"The signer will not go on by itself: {restored.why}.\n{_DECIDE[restored.standing]}")

"""`z4j audit`: the audit log from the brain's own machine. Whoever may run this may do all of it, and is recorded."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from z4j_brain.audit import actions, erasure, export, parts, pruning, removals, verifier
from z4j_brain.audit.export import Wanted
from z4j_brain.audit.states import Basis
from z4j_brain.ledger import generations, proofs
from z4j_brain.lib import keys
from z4j_brain.rbac.access import INSTANCE
from z4j_brain.rbac.actor import COMMAND_LINE
from z4j_brain.rbac.models import Project, User

#: Told by the parser of each; the method of that name does it.
VERBS = {
    "export": "Write the log with its proofs into a file.",
    "verify": "Verify such a file. Needs no database; see `verifier` for where it needs no z4j either.",
    "verifier": "Write the verifier, one Python file that needs nothing else, for whoever does not trust this machine.",
    "key": "Print the public key of the log. Whoever verifies has it from you, and not from an export.",
    "checkpoint": "Print the newest checkpoint. Kept elsewhere, it is what a log is verified against.",
    "trust-head": "The signer's file is gone, and the log is known to be whole: sign on from what the database has.",
    "acknowledge-rollback": "The log was rolled back, and that is known: begin a new generation that says so.",
    "recovery-key": "Make the key that begins new generations, and print it: nobody can show it again.",
    "erase": "Erase the personal parts of entries. The proofs stay whole.",
    "prune": "Move old entries to an archive. The proofs stay whole.",
    "hold": "Put the log under legal hold: nothing is erased or pruned.",
}


class Command(BaseCommand):
    help = "Export, verify and keep the audit log."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        made: dict[str, ArgumentParser] = {verb: verbs.add_parser(verb, help=said) for verb, said in VERBS.items()}
        made["export"].add_argument("file", type=Path)
        made["export"].add_argument("--project", help="entries of this project only")
        made["export"].add_argument("--from", dest="since", type=_date, help="entries since then, as 2026-11-26")
        made["export"].add_argument("--to", dest="until", type=_date, help="entries before then")
        made["export"].add_argument("--without-personal", action="store_true", help="leave out what may be erased")
        made["verify"].add_argument("arguments", nargs="*", metavar="FILE --key PUB [--checkpoint FILE ...] [--json]")
        made["verifier"].add_argument("file", type=Path)
        made["acknowledge-rollback"].add_argument(
            "--recovery-key", type=Path, metavar="FILE", help="a file that holds it; asked for when left out"
        )
        made["recovery-key"].add_argument("--anew", action="store_true", help="also where there is one already")
        made["erase"].add_argument("--person", metavar="USERNAME", help="all they did, and their account")
        made["erase"].add_argument("--entries", nargs="+", type=UUID, default=[], metavar="ID")
        made["erase"].add_argument("--basis", required=True, choices=Basis.values, help="the law by which it goes")
        made["prune"].add_argument("--before", required=True, type=_date, help="entries before then, as 2026-11-26")
        made["prune"].add_argument("--archive", required=True, type=Path, help="the file that they go to")
        made["hold"].add_argument("--lift", action="store_true", help="lift it")
        for verb in ("trust-head", "acknowledge-rollback", "erase", "prune", "hold"):
            made[verb].add_argument("--reason", required=True, help="why; it is recorded")
        made["export"].add_argument("--reason", default="", help="why; it is recorded")

    def run_from_argv(self, argv: list[str]) -> None:
        """`verify` has the arguments and the exit codes of the verifier itself."""
        if argv[2:3] == ["verify"]:
            sys.exit(verifier.main(argv[3:]))
        super().run_from_argv(argv)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, options["verb"].replace("-", "_"))(options)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except (removals.Unfinished, generations.InOrder, generations.Busy, ValueError) as error:
            raise CommandError(str(error)) from error

    def export(self, options: dict[str, Any]) -> None:
        slug = options["project"] or ""
        if slug and not Project.objects.filter(slug=slug).exists():
            raise CommandError(f"There is no project {slug}.")
        wanted = Wanted(slug, "", options["since"], options["until"], not options["without_personal"])
        file: Path = options["file"]
        try:
            with file.open("xb") as stream:
                receipt = export.take_out(
                    INSTANCE, wanted, cast(IO[bytes], stream), actor=COMMAND_LINE, reason=options["reason"]
                )
        except FileExistsError as error:
            raise CommandError(f"{file} is there already.") from error
        self.stdout.write(f"{receipt.rows} entries, {receipt.size} bytes, SHA-256 {receipt.sha256}")

    def verify(self, options: dict[str, Any]) -> None:
        sys.exit(verifier.main(options["arguments"]))

    def verifier(self, options: dict[str, Any]) -> None:
        options["file"].write_bytes(Path(verifier.__file__).read_bytes())

    def key(self, options: dict[str, Any]) -> None:
        found = parts.generations()
        self.stdout.write(parts.vkey(found[-1] if found else 1))

    def checkpoint(self, options: dict[str, Any]) -> None:
        newest = proofs.latest()
        if newest is None:
            raise CommandError("Nothing is sealed yet.")
        self.stdout.write(newest.note, ending="")

    def trust_head(self, options: dict[str, Any]) -> None:
        head = generations.trust_head(reason=options["reason"], actor=COMMAND_LINE)
        self.stdout.write(f"The log is signed on from {head}.")

    def acknowledge_rollback(self, options: dict[str, Any]) -> None:
        path: Path | None = options["recovery_key"]
        key = path.read_text() if path else getpass.getpass("Recovery key: ")
        number = generations.acknowledge_rollback(
            reason=options["reason"], recovery_key=key.strip(), actor=COMMAND_LINE
        )
        self.stdout.write(f"Generation {number} of the log has begun.")

    def recovery_key(self, options: dict[str, Any]) -> None:
        made = keys.ring().make_recovery(anew=options["anew"])
        if not made:
            raise CommandError(
                "There is one already. --anew makes another, which agents learn of; the old one is void."
            )
        self.stdout.write(made)

    def erase(self, options: dict[str, Any]) -> None:
        basis, reason = Basis(options["basis"]), options["reason"]
        if bool(options["person"]) == bool(options["entries"]):
            raise CommandError("Name a person or entries.")
        if options["person"]:
            person = User.objects.filter(username=options["person"]).first()
            if person is None:
                raise CommandError(f"There is no account {options['person']}.")
            said = erasure.erase_person(person, basis, actor=COMMAND_LINE, reason=reason)
        else:
            said = erasure.erase_entries(INSTANCE, options["entries"], basis, actor=COMMAND_LINE, reason=reason)
        removals.wait(*said)
        self.stdout.write(f"Erased, as {len(said)} sealed entries say: {', '.join(map(str, said))}")

    def prune(self, options: dict[str, Any]) -> None:
        cut = pruning.before(options["before"])
        if cut is None:
            raise CommandError("The log has no entries before that.")
        said = pruning.prune(cut, options["archive"], actor=COMMAND_LINE, reason=options["reason"])
        removals.wait(said)
        self.stdout.write(
            f"{cut.count} entries are in {options['archive']} now, and no longer in the log. Keep it safe."
        )

    def hold(self, options: dict[str, Any]) -> None:
        act = actions.lift_hold if options["lift"] else actions.hold
        act(INSTANCE, actor=COMMAND_LINE, reason=options["reason"])
        self.stdout.write("The legal hold is lifted." if options["lift"] else "The log is under legal hold.")


def _date(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)

"""Backup and restore: an installation as one file, and back, with its audit log proven on the way."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, cast

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from z4j_brain.audit import export, parts, verifier
from z4j_brain.audit.export import Wanted
from z4j_brain.housekeeping import archive, dumps
from z4j_brain.housekeeping.archive import FOLDERS, FORMAT, STORES, Manifest
from z4j_brain.ledger import guards, proofs, sealing
from z4j_brain.ledger.memory import Folder
from z4j_brain.ledger.signer import Refused, Signer
from z4j_brain.ledger.states import LogState
from z4j_brain.lib import keys, schema

#: Secrets that may come from a setting, and then are in no file here.
_SECRETS = {"secrets/django": "Z4J_SECRET_KEY", "secrets/fields": "Z4J_FIELD_SECRET"}


class CannotRestore(Exception):
    """Nothing was restored, and here is why."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What is here now. `standing`: how the signer will take it; None: it goes on by itself. `why`: in its words."""

    manifest: Manifest
    aside: str
    standing: LogState | None = None
    why: str = ""


def back_up(file: Path) -> tuple[Manifest, str]:
    """Write the installation to a new file; what it says of itself, and its SHA-256. The brain may run."""
    if file.exists():
        raise dumps.CannotDump(f"{file} is there already.")
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".z4j-backup-") as name:
        folder = Path(name)
        said = dumps.dump(folder / STORES[connection.vendor])
        for kind in FOLDERS:
            (folder / kind).mkdir()
            for path in _files(settings.Z4J_DATA_DIR / kind):
                shutil.copyfile(path, folder / kind / path.name)
        manifest = Manifest(
            format=FORMAT,
            made=timezone.now().isoformat(timespec="seconds"),
            version=version("z4j"),
            store=connection.vendor,
            head=said.head,
            migrations=said.migrations,
            parts=archive.parts(folder),
            elsewhere=[setting for setting in _SECRETS.values() if _is_set(setting)],
        )
        return manifest, archive.write(file, manifest, folder)


def restore(file: Path, *, replace: bool) -> Restored:
    """Put an installation where there is none; with `replace`, in the place of the one that is there, which is kept.

    All of it or nothing: what was restored has to verify before it stays.
    """
    home: Path = settings.Z4J_DATA_DIR
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    dumps.without_pool()
    with tempfile.TemporaryDirectory(dir=home, prefix=".restore-") as name, _no_signer(home):
        folder, aside = Path(name), f"before_restore_{timezone.now():%Y%m%dT%H%M%S}"
        manifest = archive.read(file, folder)
        is_there = _refuse(manifest, folder, home, replace=replace)
        with ExitStack() as stack:
            stack.enter_context(_in_place(folder, home, home / aside))
            stack.enter_context(dumps.loaded(folder / STORES[manifest.store], aside))
            keys.ring.cache_clear()
            schema.migrate()
            _prove(manifest, folder)
        if not is_there:  # secrets that nothing was ever encrypted with
            shutil.rmtree(home / aside, ignore_errors=True)
    return _met(manifest, aside if is_there else "")


def _refuse(manifest: Manifest, folder: Path, home: Path, *, replace: bool) -> bool:
    """Raises when this cannot be restored here; whether there is an installation whose place it takes."""
    if manifest.store != connection.vendor:
        raise CannotRestore(
            f"The backup is of {manifest.store}, and this brain is on {connection.vendor}: restore it on that; "
            "`z4j migrate-store` moves an installation from SQLite to PostgreSQL."
        )
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    ours = {name.partition(".")[0] for name in known}
    if any(name not in known and name.partition(".")[0] in ours for name in manifest.migrations):
        raise CannotRestore(f"The backup is of release {manifest.version}, newer than this one: restore it with that.")
    has_keys = (home / "keys").exists()
    is_there = dumps.is_there() or (has_keys and not all(_is_same(folder / kind, home / kind) for kind in FOLDERS))
    if is_there and not replace:
        raise CannotRestore(
            "There is an installation here. Restore into an empty folder and database, or say --replace: what is here "
            "is then kept under another name."
        )
    if dumps.is_there():
        dumps.refuse_company()
    return is_there


@contextmanager
def _in_place(folder: Path, home: Path, aside: Path) -> Iterator[None]:
    """The keys and secrets are those of the backup; when the body raises, they are again what they were."""
    aside.mkdir(mode=0o700)
    with ExitStack() as undo:
        undo.callback(aside.rmdir)
        for kind in FOLDERS:
            here, new = home / kind, folder / kind
            if not new.exists() or _is_same(new, here):
                continue
            if here.exists():
                os.replace(here, aside / kind)
                undo.callback(os.replace, aside / kind, here)
            os.replace(new, here)
            undo.callback(shutil.rmtree, here)
        yield
        undo.pop_all()
    if not any(aside.iterdir()):
        aside.rmdir()


def _prove(manifest: Manifest, folder: Path) -> None:
    """Raises unless the audit log that is here now verifies, and is the one that the manifest tells of."""
    newest, head = proofs.latest(), manifest.head
    if (newest.note if newest else "") != (head.note if head else ""):
        raise CannotRestore(f"The log's head is not the one that the manifest tells of: {head or 'nothing sealed'}.")
    if gone := guards.missing():
        raise CannotRestore(f"The database's guards are not what the migrations made: {'; '.join(gone)}.")
    if not head:
        return
    with tempfile.TemporaryFile(dir=folder) as raw:
        file = cast(IO[bytes], raw)
        export.write(file, Wanted())
        file.seek(0)
        report = verifier.verify(file, [parts.vkey(head.generation)], [head.note])
    if report.code != verifier.VERIFIED:
        found = " ".join(finding["text"] for finding in report.findings if finding["level"] == report.code)
        raise CannotRestore(f"The audit log does not verify. {found}")


@contextmanager
def _no_signer(home: Path) -> Iterator[None]:
    """Nobody signs here meanwhile."""
    signer = Folder(home / "signer")
    if not signer.hold():
        raise CannotRestore("The brain runs on this data folder: stop it first.")
    try:
        yield
    finally:
        signer.release()


def _met(manifest: Manifest, aside: str) -> Restored:
    """What the signer says to the log that is here now, as it will when the brain starts."""
    signer = Signer()
    try:
        if signer.hold():
            sealing.meet(signer)
    except Refused as refusal:
        return Restored(manifest, aside, refusal.state, refusal.reason)
    finally:
        signer.release()
    return Restored(manifest, aside)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if archive.NAME.fullmatch(path.name) and path.is_file()]


def _is_same(new: Path, here: Path) -> bool:
    """Whether each file of the backup's folder is here, byte for byte."""
    wanted = {path.name: path.read_bytes() for path in _files(new)}
    return wanted.items() <= {path.name: path.read_bytes() for path in _files(here)}.items()


def _is_set(setting: str) -> bool:
    return bool(os.environ.get(setting) or os.environ.get(f"{setting}_FILE"))

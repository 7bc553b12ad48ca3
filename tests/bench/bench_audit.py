"""How long a verifier takes for a log of 100,000 entries: the standalone file, as an auditor runs it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django  # noqa: E402

if __name__ == "__main__":
    django.setup()

from tests.audit.written import Written, parts_of, zipped  # noqa: E402
from tests.bench import rows  # noqa: E402
from z4j_brain.audit import verifier  # noqa: E402

ENTRIES = 100_000
#: As many checkpoints as an export of a large log has.
CHECKPOINTS = 256


def written() -> Written:
    """A log of that many entries, as they are, with checkpoints on the way."""
    log = Written()
    more = {"v": 1, "project": "harbor", "env": "production", "action": "task.retry", "actor_type": "user"}
    more |= {"actor_id": str(UUID(int=7)), "request_id": "r" * 32, "outcome": "allowed", "reason_code": "role"}
    more["params_digest"] = hashlib.sha256().hexdigest()
    for number in range(ENTRIES):
        log.append("request", name=UUID(int=number), **more)
    return log


def checkpoints(log: Written) -> None:
    """Evenly over the log, each with the root that the log had then."""
    edge: list[bytes] = []
    step = ENTRIES // CHECKPOINTS
    for size, leaf in enumerate(log.leaves):
        verifier.grow(edge, size, leaf)
        if (size + 1) % step == 0:
            log.sign(size + 1, verifier.root_of(edge))


def main() -> list[rows.Row]:
    log = written()
    checkpoints(log)
    note = log.seal()
    with tempfile.TemporaryDirectory() as folder:
        export, held = Path(folder) / "log.zip", Path(folder) / "held.txt"
        export.write_bytes(zipped(parts_of(log)).getvalue())
        held.write_text(note)
        command = [
            sys.executable,
            "-I",
            "-S",
            verifier.__file__,
            str(export),
            "--key",
            log.vkey,
            "--checkpoint",
            str(held),
        ]
        began = time.perf_counter()
        ended = subprocess.run(command, capture_output=True, text=True)
        took = time.perf_counter() - began
    assert ended.returncode == verifier.VERIFIED, ended.stdout
    print(f"{ENTRIES:,} entries verified in {took:.1f} s")
    return [rows.at_most("audit, an export of 100,000 entries verified", took, "s", 30)]


if __name__ == "__main__":
    rows.tell(main())

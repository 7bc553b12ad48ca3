"""Processes that race for a log: some append, one seals, and may be killed at any moment or at a chosen one.

python -m tests.ledger.hammer append 100 | seal | die stored|remembered | check
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import django

if __name__ == "__main__":
    django.setup()

from django.db import OperationalError, transaction  # noqa: E402

from tests.ledger.log import append, assert_whole  # noqa: E402
from z4j_brain.ledger import health, sealing  # noqa: E402
from z4j_brain.ledger.memory import Memory  # noqa: E402
from z4j_brain.ledger.models import Entry, Leaf, Unsealed  # noqa: E402
from z4j_brain.ledger.signer import Signer  # noqa: E402


def appends(count: str) -> None:
    for _ in range(int(count)):
        with transaction.atomic():
            append()


def seals() -> None:
    signer = Signer()
    while True:
        try:
            if signer.hold():
                sealing.seal(signer)
        except OperationalError:
            pass
        time.sleep(0.01)


def dies(at: str) -> None:
    """Seal once, and be killed when the note is remembered and not yet stored, or when both are done."""
    signer = Signer()
    signer.hold()
    if at == "stored":
        sealing.on_sealed(lambda sealed: _end())
    else:
        write = signer.folder.write

        def remembered(memory: Memory) -> None:
            write(memory)
            if memory.signed:
                _end()

        signer.folder.write = remembered  # type: ignore[method-assign]
    sealing.seal(signer)
    raise AssertionError("It was to be killed.")


def check() -> None:
    signer = Signer()
    assert signer.hold()
    sealing.seal(signer)
    assert health.health().reason == "" and not Unsealed.objects.exists()
    assert_whole(signer.ring)
    assert Entry.objects.count() == Leaf.objects.count()
    json.dump({"entries": Entry.objects.count()}, sys.stdout)


def _end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    roles = {"append": appends, "seal": seals, "die": dies, "check": check}
    roles[sys.argv[1]](*sys.argv[2:])

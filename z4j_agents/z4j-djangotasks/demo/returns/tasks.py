"""What the returns desk does in the background. Nothing in here knows of z4j."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

from returns.settings import BACKPORT

if BACKPORT:
    from django_tasks import task
else:
    from django.tasks import task

FOLDER = Path(os.environ["DEMO_FOLDER"])


class LabelJammed(Exception):
    """The printer ate the label. The next one comes out."""


@task()
def register_return(parcel: str, *, reason: str) -> str:
    time.sleep(random.uniform(0.1, 0.5))
    return f"{parcel} is back: {reason}"


@task()
def inspect_goods(parcel: str, pieces: int) -> int:
    """Takes a few seconds, so that now and then something waits and can be cancelled."""
    time.sleep(0.5 * pieces)
    return pieces


@task()
def print_label(parcel: str) -> str:
    """Every label jams once."""
    time.sleep(0.2)
    seen = FOLDER / f"label-{parcel}"
    if not seen.exists():
        seen.touch()
        raise LabelJammed(f"the label of {parcel} is stuck")
    return parcel


@task(queue_name="post")
def ask_for_opinion(email: str) -> str:
    return f"asked somebody at {email.partition('@')[2]}"

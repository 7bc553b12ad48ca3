"""How whoever appends calls the signer: in the same process by an event, in another one through the channel layer."""

from __future__ import annotations

import threading
from functools import partial

from django.db import transaction

from z4j_brain.lib import nudge

#: Something was appended that waits for its seal: now, or in the next batch.
urgent = threading.Event()
waiting = threading.Event()
#: Set while this process signs.
signs_here = threading.Event()


def on_commit(*, at_once: bool) -> None:
    """Call the signer when the caller's transaction has committed."""
    transaction.on_commit(partial(call, at_once=at_once))


def call(*, at_once: bool) -> None:
    if signs_here.is_set():
        waiting.set()
        if at_once:
            urgent.set()
    elif at_once:
        nudge.call_signer()

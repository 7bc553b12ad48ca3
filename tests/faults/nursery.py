"""Brains that start in a moment: all is imported once, and each line on stdin, a role and a port, forks one that runs.

It is `z4j serve`, `z4j web`, `z4j housekeeping` or `z4j signer` in every way but its start, so that a test can afford
to kill many.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys

import django
from django.conf import settings

if __name__ == "__main__":
    django.setup()
    importlib.import_module("z4j_brain.asgi")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the killed
    for line in sys.stdin:
        role, port = line.split()
        child = os.fork()
        if not child:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(2, 1)
            settings.Z4J_PORT = int(port)
            # Not before the fork: the server's event loop would be shared by all.
            getattr(importlib.import_module("z4j_brain.server"), role)()
            os._exit(0)
        os.write(1, f"{child}\n".encode())

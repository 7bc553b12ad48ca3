"""Brains that start in a moment: all is imported once, and each line on stdin forks a server that is told to run.

The server is `z4j serve` in every way but its start, so that a test can afford to kill many of them.
"""

from __future__ import annotations

import os
import signal
import sys

import django

if __name__ == "__main__":
    django.setup()
    from z4j_brain import server

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the killed
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(2, 1)
            server.serve()
            os._exit(0)
        os.write(1, f"{child}\n".encode())

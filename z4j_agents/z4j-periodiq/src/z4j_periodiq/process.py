"""What this process is called."""

from __future__ import annotations

import os
import platform


def process_name() -> str:
    return f"{platform.node()}:{os.getpid()}"

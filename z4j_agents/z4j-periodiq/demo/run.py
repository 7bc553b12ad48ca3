"""Becomes the garden's worker or one of its two schedulers, each as in a shell."""

from __future__ import annotations

import os
import sys
from pathlib import Path

COMMANDS = {
    "worker": ["dramatiq", "garden", "greenhouse.tasks", "z4j_dramatiq.auto", "-p", "1", "-t", "2"],
    "periodiq": ["periodiq", "garden", "z4j_periodiq.auto"],
    "crontab": ["django-admin", "crontab", "--no-heartbeat"],
}
os.environ["PYTHONPATH"] = str(Path(__file__).parent)
os.environ["DJANGO_SETTINGS_MODULE"] = "greenhouse.settings"
program, *arguments = COMMANDS[sys.argv[1]]
os.execv(sys.executable, [sys.executable, str(Path(sys.executable).with_name(program)), *arguments])

"""Becomes taskiq's own worker of the photo studio, as `taskiq worker photos:broker` in a shell."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["PYTHONPATH"] = str(Path(__file__).parent)
options = ["--workers", "1", "--max-async-tasks", "4", "--receiver", "z4j_taskiq:Receiver"]
os.execv(sys.executable, [sys.executable, "-m", "taskiq", "worker", "photos:broker", *options])

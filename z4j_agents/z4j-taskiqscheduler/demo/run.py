"""Becomes taskiq's own scheduler or worker of the garden, as `taskiq scheduler garden:scheduler` in a shell."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["PYTHONPATH"] = str(Path(__file__).parent)
words = {
    "scheduler": ["scheduler", "garden:scheduler"],
    "worker": ["worker", "garden:broker", "--workers", "1", "--receiver", "z4j_taskiq:Receiver"],
}
os.execv(sys.executable, [sys.executable, "-m", "taskiq", *words[sys.argv[1]]])

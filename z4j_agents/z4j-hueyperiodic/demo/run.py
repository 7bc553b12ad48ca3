"""Becomes Huey's own consumer of the round, as `huey_consumer rounds.huey -w 2` in a shell."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["PYTHONPATH"] = str(Path(__file__).parent)
consumer = str(Path(sys.executable).with_name("huey_consumer"))
os.execv(sys.executable, [sys.executable, consumer, "rounds.huey", "-w", "2"])

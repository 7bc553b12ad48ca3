"""What a brain costs that nobody talks to: seconds from its start to its first answer, and memory when idle."""

from __future__ import annotations

import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.bench import rows
from tests.brain import free_port

STARTS = 5
IDLE = 5.0


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="z4j-bench-") as folder:
        first, _ = live(Path(folder))
        measured = [live(Path(folder)) for _ in range(STARTS)]
    start = statistics.median(start for start, _ in measured)
    memory = statistics.median(memory for _, memory in measured)
    rows.tell(
        [
            rows.at_most("brain: start to the first answer, database migrated", start, "s", 3),
            rows.shown("brain: first start, with migrations and keys", first, "s"),
            rows.at_most("brain: memory when idle", memory, "MB", 150),
        ]
    )


def live(folder: Path) -> tuple[float, float]:
    """One life of a brain: seconds to the first answer, and MB held after it was left alone."""
    port = free_port()
    chosen = {"Z4J_DATA_DIR": str(folder / "data"), "Z4J_PORT": str(port), "Z4J_DATABASE_URL": ""}
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "z4j_brain.cli", "serve"],
        env=os.environ | chosen,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not ready(port):
            time.sleep(0.02)
        started = time.monotonic() - began
        time.sleep(IDLE)
        return started, memory(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


def ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def memory(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


if __name__ == "__main__":
    main()

"""What a brain costs that nobody talks to: seconds from its start to its first answer, and memory when idle."""

from __future__ import annotations

import json
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

from tests.brain import free_port

STARTS = 5
IDLE = 5.0
#: What the project has set itself; printed as the share that is used up.
LIMITS = {"start_s": 3.0, "idle_rss_mb": 150.0}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="z4j-bench-") as folder:
        first, _ = live(Path(folder))
        measured = [live(Path(folder)) for _ in range(STARTS)]
    found = {
        "first_start_s": round(first, 2),
        "start_s": round(statistics.median(start for start, _ in measured), 2),
        "idle_rss_mb": round(statistics.median(memory for _, memory in measured), 1),
    }
    for name, limit in LIMITS.items():
        print(f"{name:<16} {found[name]:>8}   {found[name] / limit:.2f} of the limit")
        found[f"{name}_share"] = round(found[name] / limit, 2)
    print(f"{'first_start_s':<16} {found['first_start_s']:>8}   with migrations and keys")
    print(json.dumps(found))


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

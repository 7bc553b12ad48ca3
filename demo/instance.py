"""A brain that is tried out: the folder it lives in, its address, its commands, and the facts a newcomer needs."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from processes import Processes

ROOT = Path(__file__).resolve().parent.parent
PLACE = "default/production"
USER = "admin"


class Failed(Exception):
    """A sentence that says what did not work."""


@dataclass
class Instance:
    """`settings` are further environment variables of its processes and commands; `facts` is a file."""

    data: Path
    port: str
    facts: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return clean() | {"Z4J_DATA_DIR": str(self.data), "Z4J_PORT": self.port} | self.settings

    def z4j(self, *arguments: str, stdin: str = "") -> str:
        """Run a `z4j` command on this instance and return what it printed."""
        command = [sys.executable, "-m", "z4j_brain.cli", *arguments]
        result = subprocess.run(
            command, cwd=ROOT, env=self.environment, input=stdin + "\n", capture_output=True, text=True
        )
        if result.returncode:
            raise Failed(f"z4j {arguments[0]} failed:\n{result.stdout}{result.stderr}")
        return result.stdout.strip()

    def set_up(self) -> tuple[str, str]:
        """The first administrator: password and API token."""
        password = secrets.token_urlsafe(12)
        self.z4j("createadmin", "--username", USER, "--password-stdin", stdin=password)
        return password, self.z4j("token", "create", "--username", USER, "--name", "demo")

    def wait(self, processes: Processes, token: str, brain: str, patience: float = 60) -> None:
        """Until the API answers; `brain` is the name of the process whose log tells why it does not."""
        address = urllib.request.Request(
            f"{self.url}/api/v1/{PLACE}/tasks/", headers={"Authorization": f"Bearer {token}"}
        )
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
                    name = dead or brain
                    raise Failed(f"The {name} does not answer. The end of its log:\n{processes.tail(name)}") from None
                time.sleep(0.1)

    def announce(self, password: str, token: str, **more: str) -> None:
        """Write down, for nobody else to read, where it is; and print it."""
        project, environment = PLACE.split("/")
        place = {"project": project, "environment": environment}
        facts = {"url": self.url, "user": USER, "password": password, "api_token": token} | place | more
        temporary = self.facts.with_name(f".{self.facts.name}.{os.getpid()}")
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps(facts, indent=2) + "\n")
        temporary.replace(self.facts)
        print(f"\n  z4j is at  {self.url}\n  user       {USER}\n  password   {password}\n", flush=True)


def clean() -> dict[str, str]:
    """Our environment without settings of another brain or agent that this shell may carry."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("Z4J_", "DJANGO_"))}
    return kept | {"PYTHONUNBUFFERED": "1"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def refuse_used_port(port: str, target: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(port)))
        except OSError:
            raise Failed(f"Port {port} is in use. Choose another: make {target} Z4J_PORT=7701") from None

"""Real brokers for tests: each runs as a process of its own, on a free port, and is gone at the end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

#: Where Debian's package keeps the server itself; the wrapper on the PATH insists on a user of its own.
RABBITMQ_PATH: Final = "/usr/lib/rabbitmq/bin"
STARTS: Final = 90.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def rabbitmq(folder: Path) -> Iterator[str]:
    """A RabbitMQ server that keeps everything in `folder`. Yields its address, `amqp://guest:guest@127.0.0.1:<port>//`.

    Raises FileNotFoundError when the package is not installed.
    """
    server = shutil.which("rabbitmq-server", path=f"{RABBITMQ_PATH}:{os.environ.get('PATH', '')}")
    if server is None:
        raise FileNotFoundError("rabbitmq-server is not installed; make system installs it")
    port, names = free_port(), free_port()
    environment = os.environ | {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(names),
        "RABBITMQ_NODENAME": f"z4j{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "none"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "no_plugins"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
    }
    (folder / "log").mkdir(parents=True, exist_ok=True)
    with (folder / "rabbitmq.out").open("wb") as log:
        process = subprocess.Popen([server], env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _await_amqp(port, process, folder / "rabbitmq.out")
        yield f"amqp://guest:guest@127.0.0.1:{port}//"
    finally:
        _end(process, environment)


def _await_amqp(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Listening is not enough: it must answer a client's greeting."""
    until = time.monotonic() + STARTS
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            with closing(socket.create_connection(("127.0.0.1", port), 1)) as probe:
                probe.sendall(b"AMQP\x00\x00\x09\x01")
                if probe.recv(1):
                    return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"RabbitMQ did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _end(process: subprocess.Popen[bytes], environment: dict[str, str]) -> None:
    """The whole group, and the name server, which leaves it: they hold nothing worth keeping."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
    with suppress(FileNotFoundError):
        subprocess.run(["epmd", "-kill"], env=environment, capture_output=True, timeout=10, check=False)

"""Ways to run the project of `shop/`, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from z4j_core.testing.brokers import free_port

HERE = Path(__file__).parent


class Shop:
    def __init__(self, broker: str, folder: Path) -> None:
        self.folder = folder
        self.environ = {
            "SHOP_BROKER": broker,
            "SHOP_FOLDER": str(folder),
            "SHOP_ENGINES": "",
            "DJANGO_SETTINGS_MODULE": "shop.settings",
            "PYTHONPATH": str(HERE),
            "Z4J_SPOOL_DIR": str(folder / "spool"),
        }

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    def manage(self, *arguments: str, **environ: str) -> tuple[int, str, str]:
        """How a management command ended, and what it wrote."""
        command = [sys.executable, "-m", "django", *arguments]
        env = os.environ | self.environ | environ
        done = subprocess.run(command, cwd=HERE, env=env, capture_output=True, text=True, timeout=90, check=False)
        return done.returncode, done.stdout, done.stderr

    def python(self, code: str, **environ: str) -> str:
        """What this code, run by `manage.py shell`, writes."""
        code_, out, err = self.manage("shell", "-v", "0", "-c", code, **environ)
        assert (code_, err) == (0, "")
        return out.strip()

    @contextmanager
    def running(self, *command: str, **environ: str):
        """A server or a worker, in a group of its own that ends with it."""
        with (self.folder / "process.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=HERE, env=os.environ | self.environ | environ, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()

    @contextmanager
    def serving(self, server: str, **environ: str):
        """A web server; gives a function that buys something through an engine."""
        port = free_port()
        with self.running(*server.format(port=port).split(), **environ) as process:

            def buy(engine: str, name: str = "ann") -> dict[str, object]:
                address = f"http://127.0.0.1:{port}/buy/{engine}/{name}"
                until = time.monotonic() + 60
                while True:
                    try:
                        with urllib.request.urlopen(address, timeout=30) as answer:
                            return json.load(answer)
                    except urllib.error.HTTPError:
                        raise
                    except OSError:
                        assert process.poll() is None and time.monotonic() < until, self.log
                        time.sleep(0.1)

            yield buy

    @property
    def log(self) -> str:
        return (self.folder / "process.log").read_text()

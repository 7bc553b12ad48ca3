"""A Django project with a database and a `db_worker` process: all real, gone at the end."""

from __future__ import annotations

import importlib
import os
import sys
from datetime import timedelta
from pathlib import Path

import django
from django.core.management import call_command
from django.utils import timezone
from z4j_core.testing.recording import Records
from z4j_core.testing.working import Working
from z4j_djangotasks import LIBRARY, DjangoTasksEngine

HERE = Path(__file__).parent
WORK = "-m django db_worker --interval 0.2 --no-startup-delay --queue-name default"


class DjangoTasksRig(Working):
    here = HERE
    queue = "default"
    size = slots = 1

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records = Records(folder)

    def __enter__(self) -> DjangoTasksRig:
        os.environ |= {
            "SHOP_FOLDER": str(self.folder),
            "DJANGO_SETTINGS_MODULE": "shop.settings",
            "PYTHONPATH": str(HERE),
        }
        sys.path.insert(0, str(HERE))
        django.setup()
        call_command("migrate", verbosity=0)
        self.tasks = importlib.import_module("shop.tasks")
        self.producer = DjangoTasksEngine()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        sys.path.remove(str(HERE))

    def command(self):
        return [sys.executable, *WORK.split()]

    def send_unseen(self, task, *args, delay=None, headers=None, queue="default"):
        due = None if delay is None else timezone.now() + timedelta(seconds=delay)
        return str(getattr(self.tasks, task).using(queue_name=queue, run_after=due).enqueue(*args).id)

    def engine(self):
        return DjangoTasksEngine()

    def cycle(self):
        """What the backend that runs tasks at once does: the same signals, without a database."""
        immediate = f"{LIBRARY}.backends.immediate"
        backend = importlib.import_module(immediate).ImmediateBackend("default", {"QUEUES": ["default"]})
        return lambda: backend.enqueue(self.tasks.ok, (1,), {}).return_value

    def fingerprint(self):
        signals = importlib.import_module(f"{LIBRARY}.signals")
        return [list(getattr(signals, name).receivers) for name in ("task_enqueued", "task_started", "task_finished")]

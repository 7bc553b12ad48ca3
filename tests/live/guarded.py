"""A second environment of the demo, whose workers' owners refuse everything, and a person who may only look."""

from __future__ import annotations

import copy
import os
import subprocess
import sys

from tests.live.demo import ROOT, Demo
from tests.live.stage import FAILURES, Stage

NAME = "guarded"
#: What agents do unless somebody says no. All else they do only if somebody says yes, and here nobody does.
USUAL = "retry,retry_with,cancel,requeue,move,pause,resume,hello"
#: Which of its databases in the demo's broker is whose.
BROKERS = {"celery": 10, "rq": 11}
_PEOPLE = """
import json, django
django.setup()
from z4j_brain.rbac import actions
from z4j_brain.rbac.access import INSTANCE
from z4j_brain.rbac.actor import COMMAND_LINE as actor
from z4j_brain.rbac.models import Project
from z4j_brain.rbac.states import Permission, Role
project = Project.objects.get(slug="default")
actions.create_environment(project, "guarded", "Guarded", actor=actor)
vera = actions.create_user(INSTANCE, "vera", "correct horse battery", actor=actor)
actions.set_membership(project, vera, Role.VIEWER, actor=actor)
_, text = actions.mint_token(vera, name="to look", scopes=list(Permission), actor=actor)
print(text)
"""


class Guarded:
    """`viewer` is her token. `stages` are those of the engines that between them can do everything."""

    def __init__(self, demo: Demo, models: dict[str, Stage]) -> None:
        self.brain = os.environ | {
            "Z4J_DATA_DIR": str(demo.folder / "demo" / "brain"),
            "Z4J_PORT": demo.facts["url"].rpartition(":")[2],
            "DJANGO_SETTINGS_MODULE": "z4j_brain.settings",
        }
        self.viewer = self._told("-c", _PEOPLE)
        place = f"{demo.facts['project']}/{NAME}"
        dsn = self._told("-m", "z4j_brain.cli", "agent-key", "create", place, "--name", "guarded")
        here = copy.copy(demo)
        here.facts = demo.facts | {"environment": NAME}
        self.stages = {engine: self._open(here, models[engine], dsn) for engine in BROKERS}

    def _told(self, *arguments: str) -> str:
        done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=self.brain, capture_output=True, text=True)
        assert not done.returncode, done.stderr
        return done.stdout.strip()

    def _open(self, here: Demo, model: Stage, dsn: str) -> Stage:
        """A department of that engine with a broker of its own: what it can do, and a failed task in it."""
        stage = Stage(here, model.engine)
        stage.folder = here.folder / "demo" / f"{NAME}-{model.engine}"
        stage.folder.mkdir()
        broker = model.environment["DEMO_REDIS"].rpartition("/")[0] + f"/{BROKERS[model.engine]}"
        stage.environment = model.environment | {
            "Z4J_DSN": dsn,
            "Z4J_ALLOW": "",
            "Z4J_DENY": USUAL,
            "Z4J_SPOOL_DIR": str(stage.folder / "agent"),
            "DEMO_REDIS": broker,
            "DEMO_FOLDER": str(stage.folder),
            "RQ_REDIS_URL": broker,
        }
        if model.engine == "celery":
            stage.start("-m celery -A shop worker --concurrency 1 --queues orders --hostname guarded@%h")
            stage.start(model.plan.spare)
        else:
            stage.start("-m rq.cli worker-pool --num-workers 1 accounts")
        return stage

    def target(self, engine: str, verb: str, subject: str) -> object:
        """Something there that the verb makes sense for."""
        stage = self.stages[engine]
        if verb == "hello":
            stage.worker()  # with nobody there it is not the owner who refuses
            return engine
        if verb == "run":
            return stage.registered(stage.plan.once)
        if subject == "queue":
            stage.worker()  # a queue is measured before it is told who takes from it, and then nobody refuses
            return stage.queue()["id"]
        if subject == "worker":
            return stage.worker(queue="spare" if verb == "autoscale" else "")["id"]
        if verb in ("cancel", "move"):
            return stage.task(stage.send(stage.word(), "nobodys"), "queued")["id"]
        return stage.task(stage.send(stage.word()), *FAILURES)["id"]

    def close(self) -> None:
        for stage in self.stages.values():
            stage.clear()

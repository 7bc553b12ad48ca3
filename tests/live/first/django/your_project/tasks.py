"""The task, as each engine has it."""

from __future__ import annotations

import os

ENGINE = os.environ["ENGINE"]


def letter(to):
    return to


def send():
    SENDS[ENGINE]()


if ENGINE == "celery":
    from celery import Celery

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "your_project.settings")
    app = Celery("your_project", broker=os.environ["BROKER"])
    letter = app.task(letter)
elif ENGINE == "dramatiq":
    import dramatiq

    letter = dramatiq.actor(letter)
elif ENGINE == "huey":
    from huey.contrib.djhuey import task

    letter = task()(letter)
elif ENGINE == "djangotasks":
    from django_tasks import task

    letter = task()(letter)
elif ENGINE == "rq":
    import django_rq

SENDS = {
    "celery": lambda: letter.delay("ann"),
    "dramatiq": lambda: letter.send("ann"),
    "djangotasks": lambda: letter.enqueue("ann"),
    "huey": lambda: letter("ann"),
    "rq": lambda: django_rq.enqueue(letter, "ann"),
}

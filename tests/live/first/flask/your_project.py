"""The tasks of the application."""

from __future__ import annotations

import os

from celery import Celery

app = Celery("your_project", broker=os.environ["BROKER"])


@app.task
def letter(to):
    return to


def send():
    letter.delay("ann")

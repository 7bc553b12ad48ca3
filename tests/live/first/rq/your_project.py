"""A project on RQ, as it was before z4j."""

from __future__ import annotations

import os

from redis import Redis
from rq import Queue

queue = Queue(connection=Redis.from_url(os.environ["BROKER"]))


def letter(to):
    return to


def send():
    queue.enqueue("your_project.letter", "ann")

"""A project on Dramatiq, as it was before z4j."""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

broker = RedisBroker(url=os.environ["BROKER"])
dramatiq.set_broker(broker)


@dramatiq.actor
def letter(to):
    return to


def send():
    letter.send("ann")

"""A project on Huey, as it was before z4j, and the place where its line goes."""

from __future__ import annotations

import os

from huey import RedisHuey

huey = RedisHuey("orders", url=os.environ["BROKER"])
# after the line that makes the instance


@huey.task()
def letter(to):
    return to


def send():
    letter("ann")

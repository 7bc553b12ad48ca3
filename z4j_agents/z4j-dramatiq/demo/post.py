"""The shop's post room, on Dramatiq: letters, labels, parcels. Nothing in the actors knows of z4j."""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import dramatiq
import z4j_dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

FOLDER = Path(os.environ["DEMO_FOLDER"])
REDIS = os.environ["DEMO_REDIS"]
TOWNS = ["Aarhus", "Basel", "Delft", "Linz", "Tartu"]

broker = RedisBroker(url=REDIS)
broker.add_middleware(Results(backend=RedisBackend(url=REDIS)))
dramatiq.set_broker(broker)


class AddressUnknown(Exception):
    """Nobody found the house. The next time somebody does."""


@dramatiq.actor(queue_name="letters", store_results=True)
def send_letter(town: str, *, about: str) -> str:
    time.sleep(random.uniform(0.1, 0.6))
    return f"{about} to {town}"


@dramatiq.actor(queue_name="letters", max_retries=0)
def find_house(parcel: str) -> None:
    """Every house is found at the second try, which somebody has to ask for."""
    time.sleep(0.1)
    seen = FOLDER / f"house-{parcel}"
    if not seen.exists():
        seen.touch()
        raise AddressUnknown(f"no such house for {parcel}")


@dramatiq.actor(queue_name="parcels", max_retries=4, min_backoff=2000, max_backoff=20_000)
def book_courier(parcel: str) -> None:
    """The couriers' line is busy now and then; each attempt waits longer than the one before."""
    if random.random() < 0.4:
        raise ConnectionError("the line is busy")


@dramatiq.actor(queue_name="parcels", time_limit=60_000)
def drive_round(stops: int) -> None:
    for _ in range(stops * 10):
        time.sleep(0.1)


def work() -> None:
    command = [str(Path(sys.executable).with_name("dramatiq")), "post", "z4j_dramatiq.auto", "-p", "1", "-t", "4"]
    os.execv(sys.executable, [sys.executable, *command])


def send() -> None:
    z4j_dramatiq.install(broker)
    for number in range(10**9):
        town = random.choice(TOWNS)
        send_letter.send(town, about=random.choice(["an invoice", "a catalogue", "thanks"]))
        if number % 5 == 1:
            find_house.send(f"{town}-{number}")
        if number % 4 == 2:
            book_courier.send(f"parcel-{number}")
        if number % 12 == 3:
            drive_round.send(random.randint(10, 25))
        if number % 9 == 4:
            send_letter.send_with_options(args=(town,), kwargs={"about": "a reminder"}, delay=60_000)
        time.sleep(random.uniform(2, 4))


if __name__ == "__main__":
    work() if sys.argv[1] == "worker" else send()

"""What `make truth` needs of Dramatiq: a worker, mixed messages, and what its results and dead letters say of them."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import dramatiq
import z4j_dramatiq
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import ResultMissing, Results
from dramatiq.results.backends import RedisBackend

REDIS = os.environ["DEMO_REDIS"]
FOLDER = Path(os.environ["DEMO_FOLDER"])

# Whoever is silent for 10 s is dead, and every tenth command looks for what the dead had in hand; by default it is
# 60 s and every thousandth.
broker = RedisBroker(url=REDIS, heartbeat_timeout=10_000, maintenance_chance=100_000)
backend = RedisBackend(url=REDIS)
broker.add_middleware(Results(backend=backend, store_results=True, result_ttl=3_600_000))
dramatiq.set_broker(broker)


@dramatiq.actor(max_retries=0)
def ok(number):
    return number


@dramatiq.actor(max_retries=0)
def fail(number):
    raise ValueError(number)


@dramatiq.actor(max_retries=2, min_backoff=500, max_backoff=1000)
def flaky(number):
    seen = FOLDER / f"flaky-{number}"
    if not seen.exists():
        seen.touch()
        raise KeyError(number)
    return number


@dramatiq.actor(max_retries=0)
def slow(number):
    time.sleep(2)
    return number


KINDS = {"ok": ok, "fail": fail, "flaky": flaky, "slow": slow}


def work() -> None:
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    command = [str(Path(sys.executable).with_name("dramatiq")), "truth", "z4j_dramatiq.auto", "-p", "1", "-t", "2"]
    os.execv(sys.executable, [sys.executable, *command])


def send(count: int) -> dict[str, str]:
    z4j_dramatiq.install(broker)
    order = ["ok", "fail", "ok", "flaky", "ok"] * 3 + ["slow"]
    kinds = [order[number % len(order)] for number in range(count)]
    return {KINDS[kind].send(number).message_id: kind for number, kind in enumerate(kinds)}


def states(task_ids: list[str]) -> dict[str, str]:
    dead = {Message.decode(blob).message_id for blob in broker.client.hvals("dramatiq:default.XQ.msgs")}
    return {one: "dead_lettered" if one in dead else "succeeded" if _has_result(one) else "" for one in task_ids}


def _has_result(task_id: str) -> bool:
    for name in KINDS:
        try:
            backend.get_result(Message("default", name, (), {}, {}, message_id=task_id))
        except ResultMissing:
            continue
        return True
    return False


if __name__ == "__main__":
    match sys.argv[1]:
        case "worker":
            work()
        case "send":
            print(json.dumps(send(int(sys.argv[2]))))
        case "states":
            print(json.dumps(states(json.load(sys.stdin))))

"""Many at once: hundreds of agents wait at one process and come back together; who does not read costs nothing."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from z4j_core import wire

from tests import wire as sent
from tests.brain import Brain
from tests.faults.crowd import Crowd
from tests.faults.page import websocket
from tests.gateway.conftest import Caller
from tests.test_server import resident

AGENTS = 500


def test_500_agents_wait_at_one_process_and_are_all_back_soon_after_it_was_killed(live_brain):
    # In a thread of its own: a browser that is open in this one keeps a loop that runs.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(asyncio.wait_for(_crowd(live_brain), 240))).result()


async def _crowd(brain: Brain) -> None:
    crowd = Crowd(brain.port, brain.agent_bearer())
    living = asyncio.create_task(crowd.run(AGENTS))
    await _until(lambda: len(crowd.waiting) == AGENTS, living, 90)
    await asyncio.sleep(1)
    for number in (7, 77, 477):
        await asyncio.to_thread(_retry, brain, crowd.task(number))
    await _until(lambda: len(crowd.commands) == 3, living, 15)
    assert len({number for number, _ in crowd.commands}) == 3
    assert not crowd.failures
    await asyncio.to_thread(brain.kill)
    await _until(lambda: not crowd.waiting, living, 30)
    await asyncio.to_thread(brain.start)
    await _until(lambda: len(crowd.waiting) == AGENTS, living, 60)
    living.cancel()

    assert set(crowd.statuses) <= {200, 429, 503}
    assert not crowd.failures or crowd.failures[-1] - crowd.failures[0] < 1
    assert "Traceback" not in brain.log


async def _until(ask: Callable[[], bool], living: asyncio.Task[None], patience: float) -> None:
    async with asyncio.timeout(patience):
        while not ask():
            if living.done():
                living.result()
            await asyncio.sleep(0.05)


def _retry(brain: Brain, task: str) -> None:
    found = json.loads(brain.request("GET", f"/api/v1/harbor/production/tasks/?task_id={task}", who="oscar")[2])
    path = f"/api/v1/harbor/production/tasks/{found['results'][0]['id']}/retry/"
    assert brain.request("POST", path, {"reason": "again"}, who="oscar")[0] == 202


def test_a_page_that_stops_reading_its_websocket_is_cut_and_another_hears_on(live_brain):
    deaf, other = websocket(live_brain), websocket(live_brain)
    other.settimeout(10)
    before, seq, boot = resident(live_brain), 1, uuid.uuid4()
    deadline = time.monotonic() + 60
    while "websocket_cut" not in live_brain.log:
        assert time.monotonic() < deadline
        queues = [_measured(seq + number, number) for number in range(50)]
        assert Caller(live_brain).post(sent.batch(*queues, boot=boot))[0] == 200
        seq += 50
        assert other.recv(2**20)
        time.sleep(0.1)

    assert resident(live_brain) - before < 16
    other.settimeout(0.5)
    while True:  # what is left of the past
        try:
            other.recv(2**20)
        except TimeoutError:
            break
    other.settimeout(10)
    Caller(live_brain).post(sent.batch(*[_measured(seq, 1)], boot=boot))
    assert b"queue" in other.recv(2**20)
    deaf.close()
    other.close()


def _measured(seq: int, number: int) -> dict[str, object]:
    name = f"{number:03}" + "q" * 240
    told = {"seq": seq, "kind": wire.Kind.QUEUE_SNAPSHOT, "ts": sent.now(), "engine": "celery", "queue": name}
    return told | {"data": {"depth": seq}}

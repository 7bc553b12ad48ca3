from __future__ import annotations

import asyncio
import threading
import time

import pytest
from channels.layers import InMemoryChannelLayer, channel_layers, get_channel_layer
from django.db import transaction

from z4j_brain.lib import nudge


@pytest.fixture
def unbound(monkeypatch):
    monkeypatch.setattr(nudge, "_loop", None)


async def heard(group, send):
    """What a listener of the group hears of what `send` does in a thread."""
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(group, channel)
    nudge.bind(asyncio.get_running_loop())
    thread = threading.Thread(target=send)
    thread.start()
    message = await asyncio.wait_for(layer.receive(channel), 5)
    thread.join()
    return message


def test_a_thread_reaches_open_pages_and_waiting_polls(unbound):
    sent = asyncio.run(heard("environment.7", lambda: nudge.send(7, "task", [str(n) for n in range(80)])))
    woken = asyncio.run(heard("agents.7", lambda: nudge.wake(7)))

    assert sent == {"type": "nudge", "kind": "task", "ids": [str(n) for n in range(50)], "environment": 7}
    assert woken == {"type": "wake"}


def test_a_thread_that_speaks_while_the_server_starts_makes_no_second_layer(unbound, monkeypatch):
    made, enough = [], threading.Event()

    def make(name):
        time.sleep(0.1)  # as a machine with much to do
        made.append(InMemoryChannelLayer())
        return made[-1]

    def speak():
        while not enough.is_set():
            nudge.wake(7)

    async def serve():
        nudge.bind(asyncio.get_running_loop())
        get_channel_layer()
        enough.set()
        await asyncio.to_thread(speaker.join)
        await asyncio.sleep(0.1)

    monkeypatch.setattr(channel_layers, "backends", {})
    monkeypatch.setattr(channel_layers, "make_backend", make)
    speaker = threading.Thread(target=speak)
    speaker.start()
    asyncio.run(serve())

    assert len(made) == 1


def test_without_a_server_a_nudge_is_quietly_nothing(unbound):
    nudge.send(7, "task", ["1"])
    nudge.wake(7)


def test_a_closed_loop_is_as_good_as_none(unbound):
    loop = asyncio.new_event_loop()
    nudge.bind(loop)
    loop.close()

    nudge.wake(7)


def test_what_is_rolled_back_nudges_nobody(db, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as callbacks:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            nudge.on_commit(7, "task", ["1"])
            raise ZeroDivisionError
        assert callbacks == []
        nudge.wake_on_commit(7)
    assert len(callbacks) == 1

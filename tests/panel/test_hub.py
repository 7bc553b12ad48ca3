"""Open pages of one process hear of changes by one subscription an environment, as long as one of them is open."""

from __future__ import annotations

import asyncio

import pytest
from channels.layers import get_channel_layer

from z4j_brain.lib import nudge
from z4j_brain.panel import hub as hubs
from z4j_brain.panel.hub import Hub

HERE, THERE = 7, 8


class Page:
    def __init__(self):
        self.heard = []

    def hear(self, kind, ids):
        self.heard.append((kind, *ids))


async def tell(environment_id, kind, *ids):
    message = {"type": "nudge", "kind": kind, "ids": list(ids), "environment": environment_id}
    await get_channel_layer().group_send(nudge.pages_group(environment_id), message)
    await asyncio.sleep(0.05)


def members(environment_id):
    return len(get_channel_layer().groups.get(nudge.pages_group(environment_id), {}))


@pytest.fixture
def quickly(monkeypatch):
    monkeypatch.setattr(hubs, "JOIN_EVERY", 0.0)
    monkeypatch.setattr(hubs, "AGAIN", 0.02)


def play(scene):
    async def alone():
        await get_channel_layer().flush()
        await scene(Hub(asyncio.get_running_loop()))

    asyncio.run(alone())


def test_all_pages_of_an_environment_hear_by_one_subscription():
    async def scene(hub):
        pages, stranger = [Page() for _ in range(100)], Page()
        for page in pages:
            await hub.enter(HERE, page)
        await hub.enter(THERE, stranger)
        assert (members(HERE), members(THERE)) == (1, 1)
        hub.leave(HERE, pages[0])

        await tell(HERE, "task", "1", "2")
        await tell(THERE, "queue")

        assert pages[0].heard == []
        assert all(page.heard == [("task", "1", "2")] for page in pages[1:])
        assert stranger.heard == [("queue",)]

    play(scene)


def test_an_environment_of_which_no_page_is_open_is_left(quickly):
    async def scene(hub):
        page = Page()
        await hub.enter(HERE, page)
        hub.leave(HERE, page)
        await asyncio.sleep(0.2)
        assert members(HERE) == 0

        await hub.enter(HERE, page)
        await tell(HERE, "task", "3")
        assert page.heard == [("task", "3")]

    play(scene)


def test_a_channel_layer_that_has_forgotten_everybody_is_joined_again(quickly):
    async def scene(hub):
        page = Page()
        await hub.enter(HERE, page)
        get_channel_layer().groups.clear()
        await asyncio.sleep(0.2)
        await tell(HERE, "task", "4")
        assert page.heard == [("task", "4")]

    play(scene)


def test_a_page_that_could_not_be_subscribed_is_not_kept(monkeypatch):
    async def away(*told):
        raise ConnectionError("away")

    async def scene(hub):
        page = Page()
        monkeypatch.setattr(get_channel_layer(), "group_add", away)
        with pytest.raises(ConnectionError):
            await hub.enter(HERE, page)
        monkeypatch.undo()
        await hub.enter(HERE, Page())
        await tell(HERE, "task")
        assert page.heard == []

    play(scene)

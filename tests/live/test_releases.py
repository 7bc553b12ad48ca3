"""A release and the one before it: agents of either with a brain of either; nothing is lost, what is asked is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import release
from tests.live.release import TODAY, Brain, Release, Shop, until


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return release.before(tmp_path_factory.mktemp("before"))


@pytest.fixture
def brain(tmp_path: Path, before: Release) -> Iterator[Brain]:
    """An installation that the release before has made and serves."""
    made = Brain(tmp_path / "brain", before)
    made.start()
    yield made
    made.close()


@pytest.fixture
def shop(tmp_path: Path, brain: Brain) -> Shop:
    return Shop(tmp_path / "shop", brain)


def states(brain: Brain) -> Counter[str]:
    return Counter(task["state"] for task in brain.tasks())


def seen(brain: Brain, shop: Shop, **wanted: int) -> None:
    until(lambda: states(brain) == Counter(wanted), str(wanted), lambda: f"{states(brain)}\n{shop.log.read_text()}")


def retried(brain: Brain, shop: Shop, order: str) -> None:
    """A failed order is done again, and once."""
    [failed] = until(lambda: brain.tasks(state="failed", task_id=shop.sold[order]), f"the failure of {order}")
    item = brain.ask("task.retry", failed["id"])
    assert item["outcome"] == "done", item
    until(lambda: brain.tasks(retry_of=failed["task_id"], state="succeeded"), f"the retry of {order}")
    assert shop.ran().count(order) == 2


def nothing_lost(brain: Brain) -> None:
    """By what the agents of workers count: all of it was taken, nothing dropped, nothing refused."""

    def told() -> list[dict[str, Any]]:
        counted = [one["counters"] for one in brain.call("agents/")["results"] if one["role"] == "worker"]
        return counted if all(counts.get("accepted") for counts in counted) else []

    for counts in until(told, "the counts of each agent"):
        assert (counts["rejected"], counts["dropped"]) == (0, {})


def test_a_brain_is_upgraded_under_agents_of_before_and_they_follow_when_they_like(before, brain, shop):
    with shop.open(before):
        shop.sell(before, "one", "bad-one")
        seen(brain, shop, succeeded=1, failed=1)
        brain.stop()
        shop.sell(before, "two", "three", "bad-two")
        until(lambda: len(shop.ran()) == 5, "what is sold while no brain is there")

        brain.start(TODAY)
        seen(brain, shop, succeeded=3, failed=2)
        retried(brain, shop, "bad-one")
        retried(brain, shop, "bad-two")

        # What came after it: the agent is asked in a way that it knows. A token of before may not ask for it.
        brain.token = brain.z4j("token", "create", "--username", "olive", "--name", "newer")
        told = {"source": "z4j", "key": "all", "engine": "huey", "task": "release_shop.order", "args": ["late"]}
        name = until(lambda: brain.call("registered/?engine=huey")["results"], "the known names")[0]["name"]
        made = brain.call("schedules/", told | {"task": name, "every": 2, "reason": "to see it"})
        until(lambda: shop.ran().count("late") >= 2, "an order of a schedule")
        brain.call(f"schedules/{made['id']}/disable/", {"reason": "enough"})
        shop.sell(before, "bad-three")
        until(lambda: shop.ran().count("bad-three"), "an order that fails")

    with shop.open(TODAY):
        shop.sell(TODAY, "four")
        until(lambda: "four" in shop.ran(), "what is sold to the newer agent")
        retried(brain, shop, "bad-three")
        until(lambda: len(brain.tasks()) == len(shop.ran()), "each order once", lambda: f"{shop.ran()} {states(brain)}")
        assert states(brain)["failed"] == 3
        nothing_lost(brain)


def test_newer_agents_serve_a_brain_of_before_and_lose_nothing_when_it_follows(before, brain, shop):
    with shop.open(TODAY):
        shop.sell(TODAY, "one", "bad-one")
        seen(brain, shop, succeeded=1, failed=1)
        retried(brain, shop, "bad-one")
        brain.stop()
        shop.sell(TODAY, "two", "bad-two")
        until(lambda: len(shop.ran()) == 5, "what is sold while no brain is there")

        brain.start(TODAY)
        seen(brain, shop, succeeded=3, failed=2)
        retried(brain, shop, "bad-two")
        nothing_lost(brain)

"""A release and the one before it, agents of either with a brain of either: all is seen, and what is asked is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

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


def test_a_brain_is_upgraded_under_agents_of_before_and_goes_on_with_what_they_have(before, brain, shop):
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


def test_a_brain_of_before_takes_what_newer_agents_tell(brain, shop):
    with shop.open(TODAY):
        shop.sell(TODAY, "one", "bad-one")
        seen(brain, shop, succeeded=1, failed=1)

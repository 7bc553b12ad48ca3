"""F1: the brain is killed in the middle of ingest, again and again. What it acknowledged is there, once."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brain import Brain
from tests.faults.cluster import Lone
from tests.faults.senders import Sender, check_events, check_tasks
from tests.store import Store

#: At least so many times, and more of them until each sender has met enough of them; a slow machine takes longer to.
KILLS, MOST = 20, 100


@pytest.fixture
def nursery(store: Store, tmp_path: Path) -> Iterator[Lone]:
    brain = Brain(store, tmp_path / "brain")
    nursery = Lone(brain)
    yield nursery
    nursery.close()
    brain.close()


def test_no_acknowledged_event_is_lost_and_none_is_double(nursery):
    chance = random.Random()
    senders = [Sender(nursery.brain, number) for number in range(2)]
    for sender in senders:
        sender.start()
    for kill in range(MOST):
        if kill >= KILLS and _all_met(senders):
            break
        nursery.start()
        nursery.wait()
        _wait_for_more(senders) if chance.random() < 0.7 else None
        time.sleep(chance.uniform(0, 0.3))
        nursery.kill()
    nursery.start()
    for sender in senders:
        sender.enough.set()
    for sender in senders:
        sender.join(60)

    assert not any(sender.is_alive() for sender in senders)
    assert [sender.refusals for sender in senders] == [[], []]
    assert _all_met(senders)
    assert all(sender.counted == len(sender.acknowledged) for sender in senders)
    check_events(nursery.brain, senders)
    check_tasks(nursery.brain)


def _all_met(senders: list[Sender]) -> bool:
    """Whether each has had batches acknowledged between the kills, and has had to repeat one."""
    return all(sender.repeats and len(sender.acknowledged) > KILLS / 4 * sender.size for sender in senders)


def _wait_for_more(senders: list[Sender]) -> None:
    """Until some batch has been acknowledged; a brain that is killed each time before that proves little."""
    before, deadline = [len(sender.acknowledged) for sender in senders], time.monotonic() + 3
    while [len(sender.acknowledged) for sender in senders] == before and time.monotonic() < deadline:
        time.sleep(0.01)

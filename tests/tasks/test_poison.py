"""An event over which the brain's process dies: found out, set aside after three tries, and the rest flows."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from z4j_core import wire

from tests.store import Store


@pytest.fixture
def brain(store: Store, tmp_path: Path) -> Callable[[int], dict[str, object] | None]:
    """Runs a brain's process over the batch, in its given try; what it tells, or None when it died."""
    name = f"dying-{tmp_path.name}"
    url = store.clone(name, cast=True)
    folder = tmp_path if url else store.folder / name

    def run(tries: int) -> dict[str, object] | None:
        try:
            return dict(json.loads(store.run(folder, "-m", "tests.tasks.dying", str(tries), url=url)))
        except subprocess.CalledProcessError as error:
            assert error.returncode == 9
            return None

    yield run
    store.drop(name)


def test_an_event_that_kills_the_brain_is_set_aside_after_three_tries_by_itself(brain):
    together = [brain(tries) for tries in range(1, wire.ISOLATE_AFTER)]
    alone = [brain(wire.ISOLATE_AFTER + tries) for tries in range(3)]
    told = brain(wire.ISOLATE_AFTER + 3)

    assert not any(together) and not any(alone)
    assert told["tasks"] == ["t1", "t3"]
    assert (told["quarantined"], told["suspects"]) == ([[2, "poison"]], 0)
    assert told["answer"]["rejected"] == [{"seq": 2, "code": "poison"}]
    assert brain(9)["answer"] == told["answer"]

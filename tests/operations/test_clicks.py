"""A double click, or three people with the same idea: each target is asked for once."""

from __future__ import annotations

import json

from tests.operations.clickers import CLICKS, TASKS


def test_of_all_who_ask_for_the_same_at_once_each_target_is_asked_for_by_one(store, tmp_path):
    name = f"clicked-{tmp_path.name}"
    url = store.clone(name, cast=True)

    output = store.run(tmp_path if url else store.folder / name, "-m", "tests.operations.clickers", "2", url=url)
    store.drop(name)

    assert json.loads(output.splitlines()[-1]) == {
        "operations": CLICKS,
        "items": CLICKS * TASKS,
        "sent": TASKS,
        "twice": 0,
        "left_out": ["already_asked"],
    }

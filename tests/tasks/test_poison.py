"""An event over which the brain's process dies: found out, set aside after three tries, and the rest flows."""

from __future__ import annotations

import json

from z4j_core import wire


def test_an_event_that_kills_the_brain_is_set_aside_after_three_tries_by_itself(store, tmp_path):
    name = f"dying-{tmp_path.name}"
    url = store.clone(name, cast=True)
    survived_first = wire.ISOLATE_AFTER - 1 + 3 + 1

    output = store.run(tmp_path if url else store.folder / name, "-m", "tests.tasks.dying", "7", url=url)
    told = [json.loads(line) for line in output.splitlines()]
    store.drop(name)

    assert [one["tries"] for one in told] == [survived_first, survived_first + 1]
    assert told[0]["tasks"] == ["t1", "t3"]
    assert (told[0]["quarantined"], told[0]["suspects"]) == ([[2, "poison"]], 0)
    assert told[0]["answer"]["rejected"] == [{"seq": 2, "code": "poison"}]
    assert told[1] == told[0] | {"tries": survived_first + 1}

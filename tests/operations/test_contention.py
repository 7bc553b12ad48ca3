"""Two of anything is safe: of several brains that lease at the same time, one gets each command."""

from __future__ import annotations

import json

from tests.operations.contenders import BRAINS, OPERATIONS


def test_each_command_is_leased_once_and_settled_once_by_whichever_brain(store, tmp_path):
    name = f"contended-{tmp_path.name}"
    url = store.clone(name, cast=True)

    output = store.run(tmp_path if url else store.folder / name, "-m", "tests.operations.contenders", url=url)
    told = [json.loads(line) for line in output.splitlines()]
    store.drop(name)

    taken = [one for brain in told[:-1] for one in brain["taken"]]
    assert len(told) == BRAINS + 1
    assert len({command for command, _, _ in taken}) == len(taken) == OPERATIONS
    assert all((fence, applied) == (1, True) for _, fence, applied in taken)
    assert told[-1] == {"operations": ["succeeded"] * OPERATIONS, "items": ["done"] * OPERATIONS}

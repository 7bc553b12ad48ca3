"""Whichever process is told of which part of a history: the same runs; and whoever looks for missed ones: each once."""

from __future__ import annotations


def test_any_split_into_processes_gives_the_same_runs_and_each_miss_once(store, tmp_path):
    name = f"rivals-{tmp_path.name}"
    url = store.clone(name, cast=True)

    store.run(tmp_path if url else store.folder / name, "-m", "tests.schedules.rivals", url=url)

    store.drop(name)

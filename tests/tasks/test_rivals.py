"""Whichever process gets which part of a history, and in whatever order: the same rows, the same statistics."""

from __future__ import annotations


def test_any_split_into_processes_gives_the_same_rows_and_the_same_statistics(store, tmp_path):
    name = f"rivals-{tmp_path.name}"
    url = store.clone(name, cast=True)

    store.run(tmp_path if url else store.folder / name, "-m", "tests.tasks.rivals", url=url)

    store.drop(name)

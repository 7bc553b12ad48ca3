"""However many processes keep house: each alert begins once, and each message is sent once."""

from __future__ import annotations


def test_processes_that_look_at_once_tell_of_each_thing_once(store, tmp_path):
    name = f"alerts-{tmp_path.name}"
    url = store.clone(name, cast=True)

    store.run(tmp_path if url else store.folder / name, "-m", "tests.alerts.rivals", url=url)

    store.drop(name)

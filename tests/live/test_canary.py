"""No secret leaves the user's side: two hundred canaries go through the tasks of each engine, and then they are looked
for wherever anything is written or told. What is harmless tells whether the right places are looked at.
"""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.brain import Brain
from tests.live.canaries import NUMBER, Finder
from tests.live.canaries_panel import API, Visitor, answers, files, pages, store
from tests.live.canaries_shop import ENGINES, Shop, opened
from tests.live.canaries_traffic import Listener, Recorder

#: Where what is harmless is told in `redact`: to the brain, by its API, and on a page once somebody has asked for it.
CONTEXT = frozenset({"spool", "sent", "store", "files", "api", "shown"})
#: Seconds for anything to come about.
PATIENCE = 150


@pytest.mark.parametrize("mode", ["shapes", "redact", "seal"])
def test_no_canary_is_found_wherever_anything_is_written_or_told(live_brain, tmp_path, mode, monkeypatch):
    monkeypatch.setenv("Z4J_LOG_LEVEL", "DEBUG")
    seed = uuid.uuid4().hex[:8]
    shops, places = played(live_brain, tmp_path, mode, seed)

    assert {shop.engine: len(shop.sack.secrets) for shop in shops} == dict.fromkeys(ENGINES, NUMBER)
    for shop in shops:  # each task was given what was sent, and one of them the same again by its retry
        assert (set(shop.seen), len(shop.seen)) == (set(shop.given), len(shop.given) + 1), shop.engine
    finder = Finder(canary for shop in shops for canary in shop.sack.laid)
    harmless = {canary.name for shop in shops for canary in shop.sack.harmless}
    found = {place: parts for place, text in places.items() if (parts := finder.found(text))}
    leaks = {place: parts for place, parts in found.items() if parts.keys() - harmless}
    assert not leaks, f"with the seed {seed}"
    said = {place: {name.split("/")[0] for name in parts} for place, parts in found.items()}
    assert ('"sealed"' in places["sent"]) == (mode == "seal")
    assert said == (context(places) if mode == "redact" else {}), f"with the seed {seed}"


def played(brain: Brain, folder: Path, mode: str, seed: str) -> tuple[list[Shop], dict[str, str]]:
    """The shops after a day of theirs, and all that was written and told about it, by where that was."""
    line = Recorder(brain.port)
    brain.stop()  # what is told stays in the spools, where it can be searched
    with opened(folder, seed, brain.dsn().replace(f":{brain.port}/", f":{line.port}/"), mode) as shops:
        assert [process.wait(PATIENCE) for process in [shop.sell() for shop in shops]] == [0] * len(ENGINES)
        until(lambda: [shop.engine for shop in shops if not shop.ended()], "no end of all tasks")
        places = {f"spool of {shop.engine}": shop.spooled() for shop in shops}
        brain.start()
        visitor = Visitor(brain, "olive")
        listener = Listener(brain.port, visitor.cookie, "harbor/production")
        until(lambda: [shop.engine for shop in shops if not told(brain, shop)], "not told of all tasks")
        again = [retried(brain, shop) for shop in shops]
        until(lambda: [one["task_id"] for one in again if not succeeded(brain, one)], "no retry")
        places |= {f"files of {shop.engine}": shop.spooled() for shop in shops} | {"websocket": listener.close()}
    tasks = listed(brain, "tasks/?page_size=200")
    places |= {f"page {path}": text for path, text in pages(visitor, tasks).items()}
    places |= {f"shown of {shop.engine}": visitor.shown(one) for shop, one in zip(shops, again, strict=True)}
    places |= {"sent": line.text("up"), "answered": line.text("down"), "api": answers(brain), "store": store(brain)}
    places |= {"files": files(brain, log=False), "log": files(brain, log=True)}
    places |= {f"log of {shop.engine}": shop.log for shop in shops}
    line.close()
    return shops, places


def context(places: dict[str, str]) -> dict[str, set[str]]:
    """Of which engines something harmless is to be found in these places."""
    listed = [place.split(" of ") for place in places if place.split()[0] in CONTEXT]
    return {" of ".join(place): set(place[1:] or ENGINES) for place in listed}


def told(brain: Brain, shop: Shop) -> bool:
    """Whether the brain knows how each of the shop's tasks has ended."""
    states = Counter(row["state"] for row in listed(brain, f"tasks/?engine={shop.engine}&page_size=200"))
    return states["succeeded"] >= 4 and states["failed"] + states["dead_lettered"] >= 2


def retried(brain: Brain, shop: Shop) -> dict[str, Any]:
    """A task that somebody asks to be run again."""
    [task, *_] = listed(brain, f"tasks/?engine={shop.engine}&state=succeeded")
    status, _, body = brain.request("POST", f"{API}tasks/{task['id']}/retry/", {"reason": "once more"}, who="olive")
    assert status == 202, body
    return task


def succeeded(brain: Brain, task: dict[str, Any]) -> bool:
    """Whether the retry of it has."""
    return bool(listed(brain, f"tasks/?retry_of={task['task_id']}&state=succeeded"))


def listed(brain: Brain, path: str) -> list[dict[str, Any]]:
    status, _, body = brain.request("GET", API + path, who="olive")
    return list(json.loads(body)["results"]) if status == 200 else []


def until(left: Callable[[], list[str]], what: str) -> None:
    """Wait for nothing to be left."""
    end = time.monotonic() + PATIENCE
    while missing := left():
        assert time.monotonic() < end, f"{what}: {', '.join(missing)}"
        time.sleep(0.3)

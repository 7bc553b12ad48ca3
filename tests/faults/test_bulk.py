"""Many failed tasks are retried by one click while processes die: each once, and what is told of it agrees."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
import valkey
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import WATCH, Watch, sign_in
from tests.faults.cluster import Cluster, kill
from tests.faults.shop import Shop
from tests.gateway.conftest import execute
from tests.store import PostgresStore, Store

TOTAL = 10_000 if os.environ.get("Z4J_SOAK") else 1_000
HERE = "/harbor/production"
HANDS = ("left", "right")
#: Each state of the progress that a page shows from now on; gone with the page when that is loaded anew.
RECORD = """() => {
    const progress = document.querySelector("#operation-progress");
    const now = () => +progress.querySelector(".progress-now").firstChild.data.replace(/[^0-9]/g, "");
    window.seen = [now()];
    new MutationObserver(() => { if (now() !== window.seen.at(-1)) window.seen.push(now()); })
        .observe(progress, { subtree: true, childList: true, characterData: true });
}"""


@pytest.fixture
def cluster(store: Store, tmp_path) -> Iterator[Cluster]:
    if not isinstance(store, PostgresStore):
        pytest.skip("several processes need PostgreSQL")
    cluster = Cluster(store, tmp_path / "cluster", web=2, housekeeping=2)
    cluster.start_all()
    yield cluster
    cluster.close()


@pytest.fixture
def shop(cluster, tmp_path) -> Iterator[Shop]:
    """`mender` runs the tasks, and does nothing else. The hands take from a queue in which nothing is, so that only
    their agents have something to do: when one is killed, no run of a task dies with it.
    """
    (tmp_path / "shop").mkdir()
    shop = Shop(tmp_path / "shop")
    shop.open("mender", "orders", cluster.at(cluster.web[0]).dsn(), Z4J_DENY="retry")
    for name, member in zip(HANDS, cluster.web, strict=True):
        shop.open(name, "letters", cluster.at(member).dsn())
    yield shop
    shop.close()


@pytest.fixture
def page(browser: Browser, cluster) -> Iterator[Page]:
    """Of somebody who may retry, at the door of one of the processes."""
    door = cluster.at(cluster.web[0])
    context, watch = browser.new_context(base_url=door.url), Watch(door.url)
    context.add_init_script(WATCH)
    context.on("page", watch.page)
    sign_in(context, door, "oscar")
    page = context.new_page()
    yield page
    watch.check()
    context.close()


def test_a_bulk_retry_outlives_an_agent_and_a_housekeeper_and_runs_each_task_once(cluster, shop, page):
    ask = lambda query, *values: execute(cluster.brain, query, *values)  # noqa: E731
    until(lambda: ask("SELECT count(*) FROM fleet_worker WHERE offline_at IS NULL") == [(3,)], 60)
    shop.send(TOTAL)
    until(lambda: ask("SELECT count(*) FROM tasks_task WHERE state = 'failed'") == [(TOTAL,)], 60 + TOTAL / 20)
    failed = sorted(str(pk) for (pk,) in ask("SELECT id FROM tasks_task"))

    operation = retry_all(page)
    name, cut_off = in_hand(shop, ask)
    shop.kill(name)
    kill(cluster.members[-1].pid)

    assert ask("SELECT state, fence FROM operations_command WHERE id = ?", cut_off) == [("leased", 1)]
    expect(page.locator("#operation-head .state")).to_have_text("Succeeded", timeout=120_000 + 20 * TOTAL)
    until(lambda: sum(shop.counts()) >= 2 * TOTAL and idle(shop), 60 + TOTAL / 20)
    until(lambda: ask("SELECT count(*) FROM tasks_task WHERE state = 'succeeded'") == [(TOTAL,)], 60)

    # The effect: each ran when it failed, and once more.
    assert shop.counts() == [2] * TOTAL
    assert ask("SELECT fence FROM operations_command WHERE id = ?", cut_off) == [(2,)]
    # What was previewed is what was asked, to the last target, and nothing of it is in doubt.
    items = ask("SELECT target_id, outcome, new_task_id FROM operations_item WHERE operation_id = ?", operation)
    assert sorted(pk for pk, _, _ in items) == failed
    assert {outcome for _, outcome, _ in items} == {"done"}
    again = ask("SELECT o.id, n.task_id FROM tasks_task n JOIN tasks_task o ON o.task_id = n.retry_of")
    assert sorted((pk, new) for pk, _, new in items) == sorted((str(pk), new) for pk, new in again)
    # The sums.
    told = ask("SELECT total, settled, succeeded, failed FROM operations_operation WHERE id = ?", operation)
    assert told == [(TOTAL, TOTAL, TOTAL, 0)]
    counted = "SELECT sum(arrived), sum(failed), sum(succeeded) FROM stats_byqueue WHERE grain = 300"
    assert ask(counted) == [(2 * TOTAL, TOTAL, TOTAL)]
    # The page has seen it move, and was never loaded anew.
    seen = page.evaluate("window.seen")
    assert seen == sorted(seen) and seen[-1] == TOTAL and len(seen) > 3
    assert "Traceback" not in cluster.brain.log


def retry_all(page: Page) -> str:
    """By the panel, from the list of what failed; the operation, whose page is open and watched."""
    page.goto(f"{HERE}/tasks/?state=failed&since=1h")
    page.locator("summary", has_text="All").first.click()
    page.get_by_role("menuitem", name="Retry").first.click()
    expect(page.locator("h1")).to_have_text(f"Retry {TOTAL:,} tasks?")
    page.get_by_text("Pace, order and when to stop").click()
    page.get_by_label("Rate").fill("250")
    page.get_by_label("Reason").fill("the relay is back")
    page.get_by_label(f"Type {TOTAL}").fill(str(TOTAL))
    page.get_by_role("button", name=f"Retry {TOTAL:,} tasks").click()
    expect(page.locator("h1")).to_have_text(f"Retry {TOTAL:,} tasks")
    page.evaluate(RECORD)
    return page.url.rstrip("/").rsplit("/", 1)[-1]


def in_hand(shop: Shop, ask: Callable[..., list[Any]]) -> tuple[str, str]:
    """A worker, and the command it is in the middle of: some of its targets are done, and many are not."""
    query = "SELECT w.name, c.id FROM operations_command c JOIN fleet_worker w ON w.agent_id = c.leased_by_id "
    query += "WHERE c.state = 'leased' AND EXISTS (SELECT 1 FROM operations_command WHERE state = 'settled')"
    [journal] = (shop.folder / "agent").rglob("journal.db")

    def found() -> tuple[str, str] | None:
        with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as read:
            done = dict(read.execute("SELECT command, count(*) FROM target GROUP BY command").fetchall())
        taken = [(name.partition("@")[0], str(pk)) for name, pk in ask(query) if 10 <= done.get(str(pk), 0) <= 150]
        return taken[0] if taken else None

    return tuple(until(found, 60, 0.005))


def idle(shop: Shop) -> bool:
    """Nothing waits in the broker, and nobody holds anything of it."""
    with valkey.Valkey(port=shop.broker.port) as client:
        return not client.llen("orders") and not client.hlen("unacked")


def until(ask: Callable[[], Any], patience: float, pause: float = 0.1) -> Any:
    deadline = time.monotonic() + patience
    while not (answer := ask()):
        assert time.monotonic() < deadline
        time.sleep(pause)
    return answer

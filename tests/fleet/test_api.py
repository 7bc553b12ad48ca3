"""Workers and queues over the API."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests import rows
from z4j_brain.stats import ingest as stats
from z4j_brain.stats.ingest import Arrival, End

HERE = "/api/v1/harbor/production/"


@pytest.fixture
def get(client, cast):
    return lambda path, who="vera", **query: client.get(path, query, **cast.bearer(who))


def test_workers_tell_where_they_run_and_what(get, cast):
    running = [{"task_id": "task-1", "name": "shop.pay", "started": 1}]
    worker = rows.worker(cast.production, name="mail-1", running=running, queues=["emails"])
    rows.worker(cast.production, name="mail-2", offline_at=timezone.now())

    shown = get(f"{HERE}workers/{worker.pk}/").json()

    assert (shown["state"], shown["running"], shown["queues"]) == ("online", running, ["emails"])
    assert [row["state"] for row in get(f"{HERE}workers/", name="mail-2").json()["results"]] == ["offline"]
    assert get(f"{HERE}workers/", pid="1").status_code == 400


@pytest.mark.parametrize("kind", ["agents", "workers", "queues"])
def test_a_list_costs_the_same_however_long_it_is(get, cast, kind):
    def add(number):
        rows.worker(cast.production, name=f"mail-{number}", agent=rows.agent(cast.production), queues=[f"q{number}"])
        rows.queue(cast.production, name=f"q{number}")

    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert get(f"{HERE}{kind}/").status_code == 200
        return len(captured)

    add(1)
    get(f"{HERE}{kind}/")
    few = queries()
    for number in range(2, 12):
        add(number)

    assert queries() == few


def test_a_queue_tells_its_pace_as_the_statistics_do_and_when_it_will_be_empty(get, cast):
    queue = rows.queue(cast.production, depth=60, paused_by="mara")
    rows.worker(cast.production, queues=["emails"], concurrency={"kind": "prefork", "size": 4}, running=[{}])
    now = int(timezone.now().timestamp() * 1_000_000)
    ends = [End("celery", "emails", "shop.pay", now, "succeeded", 0, 1, 1) for _ in range(40)]
    came = [Arrival("celery", "emails", "shop.pay", now) for _ in range(10)]
    stats.apply(cast.production.pk, [], [*ends, *came, Arrival("rq", "emails", "other", now)])

    shown = get(f"{HERE}queues/{queue.pk}/").json()
    flow = shown["flow"]

    assert (shown["paused_at"], shown["paused_by"]) == (None, "mara")
    assert (flow["outlook"], flow["workers"], flow["slots"], flow["busy"]) == ("drains", ["mail-1"], 4, 1)
    assert flow["completion_rate"] == pytest.approx(4 * flow["arrival_rate"], rel=0.01)
    assert flow["drains_s"] == pytest.approx(60 / (flow["completion_rate"] - flow["arrival_rate"]), rel=0.02)
    assert get(f"{HERE}stats/", range="15m", queue="emails", engine="celery").json()["total"]["ended"] == 40
    assert get(f"{HERE}queues/").json()["results"][0].keys() == shown.keys()

"""Workers over the API."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests import rows

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


@pytest.mark.parametrize("kind", ["agents", "workers"])
def test_a_list_costs_the_same_however_long_it_is(get, cast, kind):
    def add(number):
        rows.worker(cast.production, name=f"mail-{number}", agent=rows.agent(cast.production))

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

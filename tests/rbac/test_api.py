"""Projects over the API."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from z4j_brain.rbac.actions import set_membership
from z4j_brain.rbac.states import Role


@pytest.fixture
def get(client, cast):
    return lambda path, who="vera", **query: client.get(path, query, **cast.bearer(who))


@pytest.fixture
def get(client, cast):
    return lambda path, who="vera", **query: client.get(path, query, **cast.bearer(who))


def test_agents_tell_what_they_can_and_whether_they_answer(get, cast):
    online = rows.agent(cast.production, name="mail-1")
    rows.agent(cast.production, name="mail-2", seen_at=timezone.now() - timedelta(seconds=61))
    rows.agent(cast.production, name="web-1", role="producer", left_at=timezone.now())
    rows.agent(cast.staging, name="elsewhere")

    found = get(f"{HERE}agents/").json()["results"]
    workers = get(f"{HERE}agents/", role__in="worker").json()["results"]

    assert [(row["name"], row["state"]) for row in found] == [
        ("web-1", "offline"),
        ("mail-2", "silent"),
        ("mail-1", "online"),
    ]
    assert [row["name"] for row in workers] == ["mail-2", "mail-1"]
    assert set(get(f"{HERE}agents/{online.pk}/").json()["engines"][0]["capabilities"]) == {"retry", "cancel"}
    assert "received" not in found[0]


def test_workers_tell_where_they_run_and_what(get, cast):
    running = [{"task_id": "task-1", "name": "shop.pay", "started": 1}]
    worker = rows.worker(cast.production, name="mail-1", running=running, queues=["emails"])
    rows.worker(cast.production, name="mail-2", offline_at=timezone.now())

    shown = get(f"{HERE}workers/{worker.pk}/").json()

    assert (shown["state"], shown["running"], shown["queues"]) == ("online", running, ["emails"])
    assert [row["state"] for row in get(f"{HERE}workers/", name="mail-2").json()["results"]] == ["offline"]
    assert get(f"{HERE}workers/", pid="1").status_code == 400


def test_projects_show_the_environments_one_sees_and_no_others(get, cast):
    set_membership(cast.staging, cast.user("stan"), Role.VIEWER, actor=cast.actor("olive"), reason="helps out")

    places = {row["slug"]: [place["slug"] for place in row["environments"]] for row in _projects(get, "stan")}

    assert places == {"harbor": ["staging"], "island": ["production"]}
    assert [row["slug"] for row in _projects(get, "vera")] == ["harbor"]
    assert get("/api/v1/harbor/production/tasks/", who="stan").status_code == 404
    assert get("/api/v1/harbor/staging/tasks/", who="stan").status_code == 200


@pytest.fixture
def get(client, cast):
    return lambda path, who="vera", **query: client.get(path, query, **cast.bearer(who))


def test_agents_tell_what_they_can_and_whether_they_answer(get, cast):
    online = rows.agent(cast.production, name="mail-1")
    rows.agent(cast.production, name="mail-2", seen_at=timezone.now() - timedelta(seconds=61))
    rows.agent(cast.production, name="web-1", role="producer", left_at=timezone.now())
    rows.agent(cast.staging, name="elsewhere")

    found = get(f"{HERE}agents/").json()["results"]
    workers = get(f"{HERE}agents/", role__in="worker").json()["results"]

    assert [(row["name"], row["state"]) for row in found] == [
        ("web-1", "offline"),
        ("mail-2", "silent"),
        ("mail-1", "online"),
    ]
    assert [row["name"] for row in workers] == ["mail-2", "mail-1"]
    assert set(get(f"{HERE}agents/{online.pk}/").json()["engines"][0]["capabilities"]) == {"retry", "cancel"}
    assert "received" not in found[0]


def test_workers_tell_where_they_run_and_what(get, cast):
    running = [{"task_id": "task-1", "name": "shop.pay", "started": 1}]
    worker = rows.worker(cast.production, name="mail-1", running=running, queues=["emails"])
    rows.worker(cast.production, name="mail-2", offline_at=timezone.now())

    shown = get(f"{HERE}workers/{worker.pk}/").json()

    assert (shown["state"], shown["running"], shown["queues"]) == ("online", running, ["emails"])
    assert [row["state"] for row in get(f"{HERE}workers/", name="mail-2").json()["results"]] == ["offline"]
    assert get(f"{HERE}workers/", pid="1").status_code == 400


def test_projects_show_the_environments_one_sees_and_no_others(get, cast):
    set_membership(cast.staging, cast.user("stan"), Role.VIEWER, actor=cast.actor("olive"), reason="helps out")

    places = {row["slug"]: [place["slug"] for place in row["environments"]] for row in _projects(get, "stan")}

    assert places == {"harbor": ["staging"], "island": ["production"]}
    assert [row["slug"] for row in _projects(get, "vera")] == ["harbor"]
    assert get("/api/v1/harbor/production/tasks/", who="stan").status_code == 404
    assert get("/api/v1/harbor/staging/tasks/", who="stan").status_code == 200


@pytest.mark.parametrize("kind", ["agents", "workers"])
def test_a_list_costs_the_same_however_long_it_is(get, cast, kind):
    def add(number):
        agent = rows.agent(cast.production)
        rows.worker(cast.production, name=f"mail-{number}", agent=agent)

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


def test_projects_cost_the_same_however_many_there_are(get, cast):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert get("/api/v1/projects/", who="stan").status_code == 200
        return len(captured)

    get("/api/v1/projects/", who="stan")
    few = queries()
    set_membership(cast.harbor, cast.user("stan"), Role.VIEWER, actor=cast.actor("olive"), reason="joins")

    assert queries() == few


@pytest.fixture
def get(client, cast):
    return lambda path, who="vera", **query: client.get(path, query, **cast.bearer(who))


def test_agents_tell_what_they_can_and_whether_they_answer(get, cast):
    online = rows.agent(cast.production, name="mail-1")
    rows.agent(cast.production, name="mail-2", seen_at=timezone.now() - timedelta(seconds=61))
    rows.agent(cast.production, name="web-1", role="producer", left_at=timezone.now())
    rows.agent(cast.staging, name="elsewhere")

    found = get(f"{HERE}agents/").json()["results"]
    workers = get(f"{HERE}agents/", role__in="worker").json()["results"]

    assert [(row["name"], row["state"]) for row in found] == [
        ("web-1", "offline"),
        ("mail-2", "silent"),
        ("mail-1", "online"),
    ]
    assert [row["name"] for row in workers] == ["mail-2", "mail-1"]
    assert set(get(f"{HERE}agents/{online.pk}/").json()["engines"][0]["capabilities"]) == {"retry", "cancel"}
    assert "received" not in found[0]


def test_workers_tell_where_they_run_and_what(get, cast):
    running = [{"task_id": "task-1", "name": "shop.pay", "started": 1}]
    worker = rows.worker(cast.production, name="mail-1", running=running, queues=["emails"])
    rows.worker(cast.production, name="mail-2", offline_at=timezone.now())

    shown = get(f"{HERE}workers/{worker.pk}/").json()

    assert (shown["state"], shown["running"], shown["queues"]) == ("online", running, ["emails"])
    assert [row["state"] for row in get(f"{HERE}workers/", name="mail-2").json()["results"]] == ["offline"]
    assert get(f"{HERE}workers/", pid="1").status_code == 400


def test_projects_show_the_environments_one_sees_and_no_others(get, cast):
    set_membership(cast.staging, cast.user("stan"), Role.VIEWER, actor=cast.actor("olive"), reason="helps out")

    places = {row["slug"]: [place["slug"] for place in row["environments"]] for row in _projects(get, "stan")}

    assert places == {"harbor": ["staging"], "island": ["production"]}
    assert [row["slug"] for row in _projects(get, "vera")] == ["harbor"]
    assert get("/api/v1/harbor/production/tasks/", who="stan").status_code == 404
    assert get("/api/v1/harbor/staging/tasks/", who="stan").status_code == 200


@pytest.mark.parametrize("kind", ["agents", "workers"])
def test_a_list_costs_the_same_however_long_it_is(get, cast, kind):
    def add(number):
        agent = rows.agent(cast.production)
        rows.worker(cast.production, name=f"mail-{number}", agent=agent)

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


def test_projects_cost_the_same_however_many_there_are(get, cast):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert get("/api/v1/projects/", who="stan").status_code == 200
        return len(captured)

    get("/api/v1/projects/", who="stan")
    few = queries()
    set_membership(cast.harbor, cast.user("stan"), Role.VIEWER, actor=cast.actor("olive"), reason="joins")

    assert queries() == few


def _projects(get, who):
    return get("/api/v1/projects/", who=who).json()["results"]

"""Projects over the API."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from z4j_brain.rbac.actions import set_membership
from z4j_brain.rbac.states import Role


@pytest.fixture
def get(client, cast):
    return lambda path, who="stan": client.get(path, **cast.bearer(who))


def admit(cast, place):
    set_membership(place, cast.user("stan"), Role.VIEWER, actor=cast.actor("olive"), reason="helps out")


def test_projects_show_the_environments_one_sees_and_no_others(get, cast):
    admit(cast, cast.staging)

    shown = get("/api/v1/projects/").json()["results"]

    places = {row["slug"]: [place["slug"] for place in row["environments"]] for row in shown}
    assert places == {"harbor": ["staging"], "island": ["production"]}
    assert [row["slug"] for row in get("/api/v1/projects/", "vera").json()["results"]] == ["harbor"]
    assert get("/api/v1/harbor/production/tasks/").status_code == 404
    assert get("/api/v1/harbor/staging/tasks/").status_code == 200


def test_projects_cost_the_same_however_many_there_are(get, cast):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert get("/api/v1/projects/").status_code == 200
        return len(captured)

    get("/api/v1/projects/")
    few = queries()
    admit(cast, cast.harbor)

    assert queries() == few

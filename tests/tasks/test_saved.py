"""Views under a name and chosen columns: whose they are, what they lead to, and who may change what all have."""

from __future__ import annotations

import json

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from tests import rows
from z4j_brain.rbac import granting
from z4j_brain.rbac.action import Hidden, Refused
from z4j_brain.rbac.actor import SYSTEM
from z4j_brain.rbac.states import Role
from z4j_brain.tasks import actions, saved
from z4j_brain.tasks.models import SavedView
from z4j_brain.tasks.query_string import View

pytestmark = pytest.mark.django_db
LIST = "/harbor/production/tasks/"
API = "/api/v1/harbor/production/task-views/"


@pytest.fixture
def as_(cast):
    return lambda who: cast.sign_in(Client(), who)


@pytest.fixture
def ask(cast):
    def ask(who, method, path, body=None):
        text = json.dumps(body) if body is not None else ""
        answer = Client().generic(method, path, text, content_type="application/json", **cast.bearer(who))
        return answer.status_code, answer.json() if answer.content else None

    return ask


def names(cast, who, place=None):
    return [view.name for view in saved.views(cast.actor(who), place or cast.production)]


def test_what_is_on_the_screen_is_kept_under_a_name(as_):
    posted = {
        "as": " Failing mail ",
        "q": "receipt",
        "state": "failed",
        "queue": "emails",
        "since": "1h",
        "cursor": "x",
    }
    answer = as_("vera").post(f"{LIST}views/", posted)
    view = SavedView.objects.get()
    assert (view.name, view.owner.username) == ("Failing mail", "vera")
    assert View.of_address(view.query) == View.of_address("q=receipt&state=failed&queue=emails&since=1h")
    assert answer.url == f"{LIST}?{view.query}"
    assert "Failing mail" in as_("vera").get(answer.url).content.decode()


def test_the_first_view_opens_with_the_list_and_hides_nothing(cast, as_):
    actor, vera = cast.actor("vera"), as_("vera")
    view = actions.save_view(cast.production, "failing", "state=failed", actor=actor)
    assert vera.get(LIST).status_code == 200
    actions.make_first(view, actor=actor)
    assert vera.get(LIST).url == f"{LIST}?state=failed"
    assert vera.get(f"{LIST}?since=24h").status_code == 200
    assert vera.get(LIST, headers={"X-Live": "1"}).status_code == 200
    assert as_("oscar").get(LIST).status_code == vera.get("/harbor/staging/tasks/").status_code == 200
    actions.make_first(view, False, actor=actor)
    assert vera.get(LIST).status_code == 200


def test_without_any_filter_a_list_still_has_an_address_of_its_own():
    assert View.of_address("").address == View.of_address("state=failed").with_state(None).address == "?since=24h"


def test_a_persons_views_are_nobody_elses(cast, as_, ask):
    view = actions.save_view(cast.production, "mine", "state=failed", actor=cast.actor("vera"))
    assert names(cast, "vera") == ["mine"]
    assert names(cast, "olive") == names(cast, "vera", cast.staging) == []
    with pytest.raises(Hidden):
        actions.delete_view(view, actor=cast.actor("olive"))
    assert as_("olive").post(f"{LIST}views/{view.pk}/delete/").status_code == 404
    assert ask("olive", "PATCH", f"{API}{view.pk}/", {"name": "ours"})[0] == 404


def test_all_have_a_shared_view_and_who_manages_the_project_changes_it(cast, as_):
    as_("adam").post(f"{LIST}views/", {"as": "ours", "state": "failed", "shared": "1"})
    view = SavedView.objects.get(owner=None)
    assert names(cast, "vera") == names(cast, "oscar") == ["ours"]
    for refused in (actions.delete_view, lambda *args, **told: actions.change_view(*args, {"name": "x"}, **told)):
        with pytest.raises(Refused):
            refused(view, actor=cast.actor("oscar"))
    assert as_("oscar").post(f"{LIST}views/", {"as": "no", "shared": "1"}).status_code == 403
    as_("olive").post(f"{LIST}views/{view.pk}/rename/", {"as": "everybody’s"})
    assert names(cast, "vera") == ["everybody’s"]
    assert "Delete everybody’s" not in as_("vera").get(f"{LIST}views/").content.decode()


def test_who_sees_a_part_only_sees_no_shared_views(cast):
    actions.share_view(cast.production, "salaries", "queue=salaries", actor=cast.actor("olive"))
    granting.give(cast.production, cast.user("stan"), Role.VIEWER, queue_glob="emails", actor=SYSTEM)
    mine = actions.save_view(cast.production, "mail", "queue=emails", actor=cast.actor("stan"))
    assert list(saved.views(cast.actor("stan"), cast.production)) == [mine]


def test_a_name_stands_for_one_view(cast, as_):
    actions.save_view(cast.production, "mine", "state=failed", actor=cast.actor("vera"))
    actions.save_view(cast.staging, "mine", "state=failed", actor=cast.actor("vera"))
    actions.save_view(cast.production, "mine", "state=lost", actor=cast.actor("oscar"))
    answer = as_("vera").post(f"{LIST}views/", {"as": "mine", "state": "lost"})
    assert answer.status_code == 400
    assert "There is a view with this name." in answer.content.decode()
    with pytest.raises(ValidationError):
        actions.save_view(cast.production, " ", "state=lost", actor=cast.actor("vera"))


def test_the_api_keeps_and_changes_views(ask):
    status, made = ask("vera", "POST", API, {"name": "failing", "query": "q=queue:emails&state=failed"})
    assert (status, made["query"], made["shared"], made["first"]) == (201, "state=failed&queue=emails", False, False)
    told = ask("vera", "PATCH", f"{API}{made['id']}/", {"query": "state=lost", "first": True})[1]
    assert (told["name"], told["query"], told["first"]) == ("failing", "state=lost", True)
    assert ask("vera", "POST", API, {"name": "failing", "query": ""})[0] == 400
    assert ask("vera", "POST", API, {"name": "all", "query": "", "shared": True})[0] == 403
    assert [one["name"] for one in ask("vera", "GET", API)[1]["results"]] == ["failing"]
    assert ask("vera", "DELETE", f"{API}{made['id']}/")[0] == 204
    assert ask("vera", "GET", API)[1]["results"] == []


def test_the_chosen_columns_stand_in_all_lists_of_their_person(cast, as_):
    for place in (cast.production, cast.staging):
        rows.task(place, queue="a-queue", worker="a-worker", schedule="nightly", priority=7)
    vera = as_("vera")
    answer = vera.post(f"{LIST}columns/", {"column": ["schedule", "queue", "nonsense"], "state": "failed"})
    assert answer.url == f"{LIST}?state=failed"
    for path in (LIST, "/harbor/staging/tasks/"):
        page = vera.get(path).content.decode()
        assert "nightly" in page
        assert ">Queue</th>" in page
        assert "a-worker" not in page
    assert "a-worker" in as_("oscar").get(LIST).content.decode()
    vera.post(f"{LIST}columns/", {"usual": "1"})
    assert "a-worker" in vera.get(LIST).content.decode()

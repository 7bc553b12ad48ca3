"""What a page that is open asks for anew: what is live in it, rendered once for all who may see the same."""

from __future__ import annotations

import re
import time

import pytest
from django.test import Client

from tests import rows
from z4j_brain.panel import shared
from z4j_brain.rbac import guardian_rows
from z4j_brain.rbac.models import Membership, User
from z4j_brain.rbac.states import Role

PLACE = "/harbor/production/"
LISTS = (
    "",
    "tasks/",
    "tasks/?state=failed",
    "statistics/",
    "operations/",
    "queues/",
    "workers/",
    "dead-letters/",
    "schedules/",
)
COUNTS = re.compile(r'<span class="push" id="nav-(?:issues|approvals)".*', re.DOTALL)


@pytest.fixture(autouse=True)
def nothing_kept():
    """Of other tests, whose places have the same keys."""
    shared.forget()


@pytest.fixture
def odile(cast):
    """Another operator."""
    user = User.objects.create(username="odile")
    Membership.objects.create(user=user, project=cast.harbor, role=Role.OPERATOR)
    guardian_rows.rewrite(user, cast.harbor)
    cast.users["odile"] = user
    return user


@pytest.fixture
def browsers(cast, odile):
    return {who: cast.sign_in(Client(), who) for who in ("oscar", "odile", "vera", "adam")}


def live(browser, view, since=None):
    """`since`: when the page was told of a change; longer ago than clocks may be apart."""
    told = time.time() - 1 if since is None else since
    answer = browser.get(PLACE + view, headers={"X-Live": str(told)})
    assert answer.status_code == 200
    return answer.content.decode()


def body(page):
    """Without what is the reader's own."""
    return COUNTS.sub("", page)


@pytest.mark.parametrize("view", LISTS)
def test_who_may_do_the_same_is_shown_the_same_and_nothing_of_another(cast, browsers, view):
    rows.task(cast.production)
    told = time.time() - 1

    first, second = live(browsers["oscar"], view, told), live(browsers["odile"], view, told)

    assert body(first) == body(second)
    assert "oscar" not in first
    assert 'id="nav-approvals"' in second


def test_others_are_shown_what_they_may_do_themselves(cast, browsers):
    rows.worker(cast.production)
    told = time.time() - 1

    assert live(browsers["adam"], "schedules/", told) != live(browsers["vera"], "schedules/", told)


def test_what_was_rendered_before_a_change_is_shown_to_nobody_who_was_told_of_it(cast, browsers):
    live(browsers["oscar"], "workers/")
    rows.worker(cast.production, name="brand-new")

    assert "brand-new" in live(browsers["odile"], "workers/", time.time() - shared.APART / 2)


def test_whoever_presents_shares_with_nobody_who_does_not(cast, browsers):
    rows.worker(cast.production, name="mail-1", host="box-1")
    told = time.time() - 1
    assert "mail-1" in live(browsers["oscar"], "workers/", told)

    browsers["odile"].post("/account/presenter/", {"on": "1"})

    assert "mail-1" not in live(browsers["odile"], "workers/", told)


def test_who_has_lost_their_role_is_shown_nothing_that_others_were(cast, browsers, odile):
    told = time.time() - 1
    live(browsers["oscar"], "workers/", told)
    Membership.objects.filter(user=odile).delete()
    guardian_rows.rewrite(odile, cast.harbor)

    assert browsers["odile"].get(f"{PLACE}workers/", headers={"X-Live": str(told)}).status_code == 404


@pytest.mark.parametrize("told", ["1", "", "nan", "inf", "-5", "99999999999", "soon"])
def test_a_page_that_was_told_of_nothing_is_rendered_for_itself(cast, browsers, told):
    browsers["oscar"].get(f"{PLACE}workers/", headers={"X-Live": told})
    rows.worker(cast.production, name="brand-new")

    answer = browsers["odile"].get(f"{PLACE}workers/", headers={"X-Live": told})

    assert "brand-new" in answer.content.decode()


def test_what_is_not_live_is_not_sent_again(cast, browsers):
    whole = browsers["vera"].get(f"{PLACE}audit/").content.decode()
    again = browsers["vera"].get(f"{PLACE}audit/", headers={"X-Live": "1"}).content.decode()

    assert 'class="topbar"' in whole
    assert 'class="topbar"' not in again
    assert set(re.findall(r'id="([\w-]+)" data-live', again)) == set(re.findall(r'id="([\w-]+)" data-live', whole))


def test_what_waits_for_somebodys_own_yes_is_shown_to_them_and_to_nobody_else(cast, browsers):
    amy = User.objects.create(username="amy")
    Membership.objects.create(user=amy, project=cast.harbor, role=Role.ADMIN)
    guardian_rows.rewrite(amy, cast.harbor)
    cast.users["amy"] = amy
    browsers["amy"] = cast.sign_in(Client(), "amy")
    adam = cast.user("adam")
    rows.wish(cast.production, requester_id=str(adam.pk), requester_name="adam", people=[str(adam.pk)])
    told = time.time() - 1

    shown = {who: "adam asks for your yes" in live(browsers[who], "", told) for who in ("amy", "adam", "amy")}

    assert shown == {"amy": True, "adam": False}


def test_who_was_told_long_ago_is_answered_by_themselves(cast, browsers):
    live(browsers["oscar"], "workers/")
    rows.worker(cast.production, name="brand-new")

    assert "brand-new" in live(browsers["odile"], "workers/", 2.0)


def test_the_pages_of_somebody_look_up_once_what_they_may_do(cast, browsers, django_assert_max_num_queries):
    told = time.time() - 1
    for view in ("workers/", "queues/"):
        live(browsers["odile"], view, told)
    live(browsers["oscar"], "workers/", told)

    with django_assert_max_num_queries(4) as asked:
        live(browsers["oscar"], "queues/", told)

    assert not any("membership" in query["sql"] for query in asked.captured_queries)


def test_what_waits_since_a_moment_ago_is_counted_by_who_was_told_of_it(cast, browsers):
    live(browsers["adam"], "workers/")
    rows.wish(cast.production)

    told = live(browsers["adam"], "workers/", time.time() - shared.APART / 2)

    assert 'waiting for you">1<' in told


def test_whoever_chose_other_columns_or_keeps_the_list_under_a_name_shares_with_nobody_who_did_not(cast, browsers):
    rows.task(cast.production)
    told = time.time() - 1
    usual = live(browsers["oscar"], "tasks/", told)
    browsers["odile"].post(f"{PLACE}tasks/columns/", {"column": "engine"})

    assert body(live(browsers["odile"], "tasks/", told)) != body(usual)

"""Every page of the panel, opened by a stranger, and by its own people with the ids of another tenant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.rbac.places import Furnished
from z4j_brain.rbac.models import Token

pytestmark = pytest.mark.django_db

#: Pages for nobody in particular, or that change what is signed in; others' tests look at them.
APART = {"account_logout", "source", "set-up", "invitation", "healthz", "readyz", "metrics", "agent-keys"}


def pages() -> list[str]:
    """The names of all pages, from the URL conf itself."""
    return sorted(set(_named(get_resolver().url_patterns, "")) - APART)


def _named(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
    for one in patterns:
        path = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from _named(one.url_patterns, path)
        elif not path.startswith(("api/", "agent/")) and one.name:
            yield one.name


def parameters(name: str) -> set[str]:
    return set(get_resolver().reverse_dict.getlist(name)[0][0][0][1])


#: What fills in the parameters of a page's address, beside the place.
VERBS = {"ask": {"action": "task.retry"}, "operation-steer": {"verb": "pause"}, "members-change": {"verb": "grant"}}
VERBS |= {"approval-answer": {"verb": "approve"}, "stream-steer": {"verb": "pause"}, "openid_connect_callback": {}}
VERBS |= {"alert-rule-steer": {"verb": "mute"}, "alert-channel-steer": {"verb": "test"}}
VERBS |= {"task-view-steer": {"verb": "first"}}
VERBS |= {"issue-say": {"verb": "resolve"}}
OF = {
    "task-view-steer": "api-task-view",
    "task": "api-task",
    "task-compare": "api-task",
    "task-show": "api-task",
    "task-hide": "api-task",
    "schedule": "api-schedule",
    "schedule-show": "api-schedule",
    "schedule-hide": "api-schedule",
    "schedule-edit": "api-schedule",
    "issue": "api-issue",
    "issue-say": "api-issue",
    "queue": "api-queue",
    "worker": "api-worker",
    "operation": "api-operation",
    "operation-export": "api-operation",
    "operation-steer": "api-operation",
    "approval": "api-approval",
    "approval-answer": "api-approval",
    "entry": "api-entry",
    "log-entry": "api-log-entry",
    "freeze-end": "api-freeze",
    "key-revoke": "",
    "secret-rule-remove": "api-redaction-rule",
    "alert-rule": "api-alert-rule",
    "alert-rule-steer": "api-alert-rule",
    "alert-channel": "api-alert-channel",
    "alert-channel-rotate": "api-alert-channel",
    "alert-channel-steer": "api-alert-channel",
    "alert-window": "api-alert-window",
    "alert-window-remove": "api-alert-window",
    "alert-resend": "api-alert-delivery-resend",
}


def address(name: str, place: Furnished, key: Any = None) -> str:
    wanted = parameters(name)
    here = {"project": place.environment.project.slug, "environment": place.environment.slug}
    kwargs: dict[str, Any] = {one: value for one, value in (here | VERBS.get(name, {})).items() if one in wanted}
    if "id" in wanted:
        own = place.keys.get(OF.get(name, ""), "00000000-0000-0000-0000-000000000001" if name in OF else 1)
        kwargs["id"] = own if key is None else key
    for one in wanted - set(kwargs):
        kwargs[one] = 1 if one in ("pk",) else "x"
    return reverse(name, kwargs=kwargs)


@pytest.fixture
def harbor(cast):
    return Furnished.of(cast.production, Token.objects.get(user=cast.user("vera")))


@pytest.fixture
def island(cast):
    return Furnished.of(cast.island, Token.objects.get(user=cast.user("stan")))


@pytest.fixture
def stan(cast):
    return cast.sign_in(Client(raise_request_exception=False), "stan")


def text(answer):
    return answer.getvalue().decode(errors="replace") if answer.streaming else answer.content.decode(errors="replace")


@pytest.mark.parametrize("name", pages())
def test_no_page_shows_a_stranger_anything(cast, harbor, island, stan, name):
    """Each of stan's own pages, then the same with harbor's ids in his paths and filters, and harbor's own."""
    foreign = harbor.keys.get(OF.get(name, ""))
    paths = [address(name, island), address(name, harbor)]
    paths += [address(name, island, foreign)] if foreign and "id" in parameters(name) else []
    marked = "&".join(f"{key}={harbor.mark}" for key in ("q", "search", "name", "queue", "cursor"))
    foreign_ids = f"target={harbor.keys['api-task']}&operation={harbor.keys['api-operation']}"

    for path in paths:
        for query in ("", f"?{marked}", f"?{foreign_ids}"):
            answer = stan.get(path + query, headers={"HX-Request": "true"} if name == "jump" else {})
            assert answer.status_code < 500, (path + query, answer.status_code)
            # What was asked for, a page may say back.
            said = text(answer).replace(harbor.mark, "") if query == f"?{marked}" else text(answer)
            assert harbor.mark not in said, path + query
            assert f"{harbor.mark}-id" not in text(answer)
        posted = stan.post(path, {"id": str(harbor.keys["api-grant"]), "target": harbor.keys["api-task"]})
        assert harbor.mark not in text(posted)
        assert posted.status_code < 500
    if "environment" in parameters(name):
        assert stan.get(address(name, harbor)).status_code in (404, 405)
        assert stan.post(address(name, harbor)).status_code in (404, 405)
        assert Client().get(address(name, harbor)).status_code in (302, 404, 405)


def test_the_canaries_sing_at_home(cast, harbor, island, stan):
    for name in ("tasks", "queues", "workers", "operations", "members", "task", "operation"):
        query = "?since=all" if name == "tasks" else ""
        assert island.mark in text(stan.get(address(name, island) + query)), name

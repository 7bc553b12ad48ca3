"""Every address of the API, tried by the whole cast with every method; nothing of one tenant ever reaches another."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.http import HttpResponse
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rbac import company
from tests.rbac.company import EVERYBODY, MEMBERS
from tests.rbac.folk import OF_INSTANCE, OF_PROJECT
from tests.rbac.places import INSTANCE, METHODS, Furnished, names
from tests.rbac.test_access import undone
from z4j_brain.rbac.models import Token

HERE = Path(__file__)


def table(name):
    return list(csv.DictReader(HERE.with_name(name).read_text().splitlines()))


TABLE = {(row["address"], row["method"]): row for row in table("addresses.csv")}
ACTIONS = {row["action"]: row for row in table("permissions.csv")}
#: The addresses below a project or an environment.
INSIDE = [name for name in names() if name not in (*INSTANCE, *OF_INSTANCE, "api-token")]
STATUS = {"allow": 202, "refuse": 403, "hide": 404}


@pytest.fixture
def production(cast):
    return Furnished.of(cast.production, Token.objects.get(user=cast.user("vera")))


@pytest.fixture
def island(cast):
    return Furnished.of(cast.island, Token.objects.get(user=cast.user("stan")))


@pytest.fixture
def ask(cast, production):
    company.join(cast)
    client, session = (Client(raise_request_exception=False) for _ in range(2))
    cast.sign_in(session, "ines")  # what concerns the instance, no token may do

    def ask(method, path, who, body=None):
        headers = {} if who in ("nobody", "ines") else cast.bearer(who)
        text = json.dumps({} if body is None else body) if method in ("POST", "PUT", "PATCH") else ""
        by = session if who == "ines" else client
        answer = by.generic(method, path, text, content_type="application/json", **headers)
        if answer.streaming:
            return HttpResponse(answer.getvalue(), status=answer.status_code, headers=dict(answer.headers))
        return answer

    return ask


def test_the_table_has_every_address_and_only_those_for_everybody():
    assert {address for address, _ in TABLE} == set(names())
    assert all(list(row) == ["address", "method", *EVERYBODY] and None not in row.values() for row in TABLE.values())


def test_the_table_lets_nobody_know_of_a_foreign_place():
    """stan's column is what a stranger is told, and an administrator of the instance is a stranger everywhere."""
    for (name, method), row in TABLE.items():
        if name in INSIDE:
            assert (row["stan"], row["ines"]) == ("404", "404"), (name, method)
        if name != "api-schema":
            assert (row["dora"], row["expired"], row["nobody"]) == ("401", "401", "401"), (name, method)


def expected(name, method, who):
    """The status the table says; without a row the method is not there, for those who may know the address."""
    if row := TABLE.get((name, method)):
        return int(row[who])
    usual = int((TABLE.get((name, "GET")) or TABLE[name, "POST"])[who])
    told = name in ("api-project", "api-token", "api-log-entry", *OF_INSTANCE)
    told = told or (name in ("api-entry", *OF_PROJECT) and who not in ("stan", "ines"))
    hidden = not told and usual == 404  # whether a row exists, a 405 does not tell
    return usual if hidden or usual == 401 else 405


@pytest.mark.parametrize("name", names())
def test_the_table_decides_and_other_methods_are_not_there(ask, production, name):
    for who, method in itertools.product(EVERYBODY, METHODS):
        with undone():  # so that nobody finds what somebody before them has done
            answer = ask(method, production.address(name), who, production.bodies.get(name))

        assert answer.status_code == expected(name, method, who), (who, method, answer.content)
        if answer.status_code >= 400:
            assert answer["Content-Type"] == "application/problem+json"
            assert set(answer.json()) == {"type", "title", "status", "detail", "code", "errors"}
        if answer.status_code == 401:
            assert answer["WWW-Authenticate"].startswith("Bearer")
        if name != "api-schema":
            assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/v1/nowhere/", {}, 404),
        ("/api/v1/projects/", {"Host": "evil.example"}, 400),
        ("/api/v1/projects/", {"Accept": "image/png"}, 406),
        ("/api/v1/projects/", {"Authorization": "Bearer \xff"}, 401),
    ],
)
def test_what_no_view_answers_is_a_problem_too(cast, path, headers, status):
    answer = Client().get(path, headers={"Authorization": f"Bearer {cast.tokens['vera']}"} | headers)

    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("action", ["task.retry", "task.cancel"])
def test_an_action_is_decided_alike_by_address_and_by_name(action):
    address = f"api-{action.replace('.', '-')}"

    for who in (*MEMBERS, "stan", "ci"):
        assert int(TABLE[address, "POST"][who]) == STATUS[ACTIONS[action][who]]


def test_whoever_is_signed_in_manages_their_own_tokens_and_nobody_elses(cast, production, island):
    client = Client(raise_request_exception=False)
    cast.sign_in(client, "vera")
    asked = {"name": "script", "scopes": ["view_metadata"], "project": "harbor", "days": 7}

    minted = client.post(production.address("api-tokens"), asked, content_type="application/json")
    listed = client.get(production.address("api-tokens")).json()["results"]
    revoked = client.delete(minted["Location"])

    assert minted.status_code == 201
    assert minted.json()["project"] == "harbor"
    assert [row["name"] for row in listed] == ["script", "all"]
    assert all("token" not in row for row in listed)
    used = client.get("/api/v1/projects/", headers={"Authorization": f"Bearer {minted.json()['token']}"})
    assert (revoked.status_code, used.status_code, used.json()["code"]) == (204, 401, "token_revoked")
    assert client.get(island.address("api-token")).status_code == 404
    assert client.delete(island.address("api-token")).status_code == 404


def test_a_token_is_not_minted_for_a_project_its_owner_cannot_see(cast, production):
    client = Client()
    cast.sign_in(client, "vera")
    asked = {"name": "script", "scopes": ["view_metadata"], "project": "island"}

    answer = client.post(production.address("api-tokens"), asked, content_type="application/json")

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "#/project")


@pytest.mark.parametrize(
    ("project", "scopes", "status"),
    [("harbor", ["view_metadata"], 200), ("island", ["view_metadata"], 404), ("harbor", ["retry_task"], 404)],
)
def test_a_token_reaches_no_further_than_its_project_and_scopes(ask, cast, production, project, scopes, status):
    bound = cast.places[project, "production"].project
    Token.objects.filter(user=cast.user("vera")).update(project=bound, scopes=scopes)

    assert ask("GET", production.address("api-tasks"), "vera").status_code == status


@pytest.mark.parametrize("name", INSIDE)
def test_whoever_belongs_elsewhere_is_told_of_no_foreign_place(ask, island, name):
    """With every method that the address knows, and the ids of what is there."""
    methods = [method for method in METHODS if (name, method) in TABLE]
    for who, method in itertools.product([*MEMBERS, "ines", "ci"], methods):
        answer = ask(method, island.address(name), who, island.bodies.get(name))
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (who, method)


@pytest.mark.parametrize("name", names())
def test_nothing_of_one_tenant_reaches_another(ask, production, island, name):
    """Each of stan's own requests, then the same with harbor's ids in his paths, his bodies and his filters."""
    foreign = production.keys.get(name)
    paths = [island.address(name), production.address(name)]
    paths += [island.address(name, foreign)] if foreign else []
    filters = [f"?{key}={production.mark}" for key in ("search", "name", "task_id", "parent_id", "host", "target_id")]
    filters += [f"?id={production.keys['api-task']}", f"?task_id={production.mark}-id"]

    for path in paths:
        for method in METHODS:
            for body in (island.bodies.get(name), production.bodies.get(name)):
                answer = ask(method, path, "stan", body)
                assert production.mark not in answer.content.decode()
                assert str(production.keys["api-agent"]) not in answer.content.decode()
        for query in filters:
            shown = ask("GET", path + query, "stan").content.decode().replace(query[1:], "")
            assert production.mark not in shown
    assert island.mark in ask("GET", island.address("api-tasks"), "stan").content.decode()


GARBAGE = st.one_of(
    st.text(max_size=40),
    st.integers().map(str),
    st.floats().map(str),
    st.datetimes().map(str),
    st.sampled_from(["null", "\0", "%00", "-1", "9" * 40, "1e999", "[]", "a,b", ",", "0001-01-01", "\ud7ff", "'--"]),
)
KNOWN = [
    "cursor",
    "page_size",
    "search",
    "id",
    "id__in",
    "state",
    "state__in",
    "name",
    "attempt__gte",
    "runtime_ms__lt",
]
KNOWN += [
    "first_at__gte",
    "task_id__in",
    "retry_of",
    "seen_at__lt",
    "created_at__gt",
    "outcome",
    "kind",
    "format",
    "lang",
]
BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["action", "targets", "filter", "all", "options", "reason", "name", "scopes", "project", "days", "x"]
            ),
            inner,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    name=st.sampled_from(names()),
    method=st.sampled_from(["GET", "POST"]),
    key=st.sampled_from([None, 0, 2**31, 2**63 - 1, 2**63, 10**40]),
    query=st.dictionaries(st.sampled_from(KNOWN) | st.text(max_size=8), GARBAGE, max_size=4),
    body=BODIES,
)
def test_no_garbage_is_answered_with_a_5xx(ask, production, name, method, key, query, body):
    odd = key if isinstance(production.keys.get(name), int) else None
    path = f"{production.address(name, odd)}?{urlencode(query)}"

    answer = ask(method, path, "olive", body)

    assert answer.status_code < 500, answer.content

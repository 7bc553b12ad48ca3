from __future__ import annotations

import json

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404
from rest_framework import exceptions

from z4j_brain.lib import problem
from z4j_brain.lib.problem import Problem
from z4j_brain.rbac.access import Decision
from z4j_brain.rbac.action import Hidden, Refused

REFUSAL = Decision(False, True, "role_lacks", "Your role does not let you retry a task.")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Problem(409, "id_conflict", "Conflict"), 409, "id_conflict"),
        (Http404(), 404, "not_found"),
        (PermissionDenied(), 403, "refused"),
        (Refused(REFUSAL), 403, "role_lacks"),
        (Hidden(REFUSAL), 404, "not_found"),
        (exceptions.NotAuthenticated(), 401, "not_authenticated"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (exceptions.Throttled(wait=3), 429, "throttled"),
        (exceptions.ParseError(), 400, "parse_error"),
    ],
)
def test_every_error_has_one_shape(error, status, code):
    response = problem.handler(error, {})
    body = json.loads(response.content)

    assert response["Content-Type"] == "application/problem+json"
    assert (response.status_code, body["status"], body["code"]) == (status, status, code)
    assert body["type"] == f"https://z4j.dev/problems/{code}"
    assert body["title"] and body["detail"] and body["errors"] == []


def test_what_is_hidden_tells_no_more_than_what_does_not_exist():
    assert problem.handler(Hidden(REFUSAL), {}).content == problem.handler(Http404("no row 7"), {}).content


def test_an_invalid_field_is_pointed_at():
    detail = {"ids": ["Too many."], "filter": {"state": ["Unknown."]}, "items": [{}, {"a": ["b"]}]}
    error = exceptions.ValidationError(detail)

    faults = json.loads(problem.handler(error, {}).content)["errors"]

    assert faults == [
        {"pointer": "#/ids", "detail": "Too many."},
        {"pointer": "#/filter/state", "detail": "Unknown."},
        {"pointer": "#/items/1/a", "detail": "b"},
    ]


def test_what_an_action_will_not_take_is_the_senders_fault():
    named = ValidationError({"slug": "Choose another."})
    plain = ValidationError("Only an owner gives roles.", code="rank")

    assert json.loads(problem.handler(named, {}).content)["errors"] == [
        {"pointer": "#/slug", "detail": "Choose another."}
    ]
    assert json.loads(problem.handler(plain, {}).content)["detail"] == "Only an owner gives roles."


def test_a_fault_of_ours_stays_one():
    assert problem.handler(ZeroDivisionError(), {}) is None


def test_an_unknown_address_under_the_api_is_a_problem_too(client, db):
    response = client.get("/api/v1/no/such/thing/at/all/")

    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"

"""The link to a trace: what a template may be, what is filled in, and where it stands."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests import rows
from z4j_brain.lib import linktemplate

API, PAGE = "/api/v1/harbor/production/settings/", "/harbor/production/settings/"
FORM = {"tasks_days": "30", "events_days": "14", "rollups_days": "400", "operations_days": "400"}
JAEGER = "https://jaeger.example/trace/{trace_id}"
STARTED = datetime(2026, 11, 22, 14, 1, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("jaeger.example/{trace_id}", "begins with https://"),
        ("javascript:alert({trace_id})", "begins with https://"),
        ("//jaeger.example/{trace_id}", "begins with https://"),
        ("http://jaeger.example/{trace_id}", "Only https://"),
        ("https://{worker}/x", "The host is the same"),
        ("https://jaeger.example:{task_id}/", "The host is the same"),
        ("https://me:secret@jaeger.example/{trace_id}", "password"),
        ("https://jaeger.example/{trace}", "There is no {trace}. There are {trace_id}, {task_id}"),
        ("https://jaeger.example/{trace_id", "left open"),
        ("https://jaeger.example/{{trace_id}}", "left open"),
        ("https://jaeger.example/", "Without a place"),
        ("https://jaeger.example/ {trace_id}", "Spaces"),
        ('https://jaeger.example/"{trace_id}', "quotes"),
        ("https://[jaeger/{trace_id}", "no address"),
        ("https://jaeger.example/{trace_id}" + "x" * 500, "At most 500"),
    ],
)
def test_what_is_no_address_is_explained(template, said):
    assert said in linktemplate.fault(template)


def test_hosts_of_a_private_network_may_have_http():
    assert not linktemplate.fault(JAEGER)
    assert not linktemplate.fault("https://g.example/explore?id={task_id}&from={started_ms}&to={ended_ms}#{worker}")
    assert not linktemplate.fault("http://tempo:3200/{trace_id}", ["tempo"])


def test_what_is_filled_in_cannot_lead_elsewhere_and_nothing_is_made_up():
    facts = {"task_id": "../../x?y=1#z&\"<'\u2028", "trace_id": ""}
    address = linktemplate.filled("https://j.example/t/{task_id}", facts)
    assert address == "https://j.example/t/..%2F..%2Fx%3Fy%3D1%23z%26%22%3C%27%E2%80%A8"
    assert linktemplate.filled(JAEGER, facts) == ""
    assert linktemplate.filled("", facts) == ""


def test_a_fault_stands_beside_its_field_and_over_the_api_points_at_it(client, cast):
    asked = {"trace_link": "http://jaeger.example/{trace_id}"}
    answer = client.patch(API, asked, content_type="application/json", **cast.bearer("olive"))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "#/trace_link")

    client.force_login(cast.user("olive"), backend="django.contrib.auth.backends.ModelBackend")
    told = client.post(PAGE, FORM | asked)
    assert told.status_code == 400
    assert 'id="trace_link-error"' in told.content.decode()
    assert 'value="http://jaeger.example/{trace_id}"' in told.content.decode()
    client.post(PAGE, FORM | {"trace_link": f" {JAEGER} "})
    cast.production.refresh_from_db()
    assert cast.production.trace_link == JAEGER


def test_a_task_leads_to_its_trace_where_it_told_one(client, cast):
    client.force_login(cast.user("vera"), backend="django.contrib.auth.backends.ModelBackend")
    task = rows.task(cast.production, trace_id="4bf92f3577b34da6a3ce929d0e0e4736", started_at=STARTED)
    silent = rows.task(cast.production)

    def told(one):
        return client.get(f"/harbor/production/tasks/{one.pk}/").content.decode()

    assert "Open the trace" not in told(task)
    type(cast.production).objects.filter(pk=cast.production.pk).update(trace_link=JAEGER)
    assert 'href="https://jaeger.example/trace/4bf92f3577b34da6a3ce929d0e0e4736" rel="noopener' in told(task)
    assert "Open the trace" not in told(silent)

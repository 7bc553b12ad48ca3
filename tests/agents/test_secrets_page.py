"""The page of secrets: what holds, what was hidden, and a value that leaves no trace of itself."""

from __future__ import annotations

import json
import logging

import pytest
from django.db import connection

from tests import rows
from z4j_brain.agents.models import Hidden, LateRedaction, RedactionPolicy, RedactionRule
from z4j_brain.ledger.models import EntryPrivate

pytestmark = pytest.mark.django_db

PAGE = "/harbor/production/secrets/"
API = "/api/v1/harbor/production/redaction/"
PASTED = "zk81-hunter-LbQ9"


def everything():
    texts = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            texts.append(f"{table} {cursor.fetchall()!r}")
    return "\n".join(texts)


@pytest.fixture
def olive(client, cast):
    return cast.sign_in(client, "olive")


def test_the_page_says_what_was_hidden_by_what_and_who_lags_behind(olive, cast):
    today = rows.agent(cast.production, name="old-worker").seen_at.date()
    Hidden.objects.create(environment=cast.production, day=today, rule="names", count=41)
    LateRedaction.objects.create(environment=cast.production, day=today, agent="old-worker", count=3)
    Hidden.objects.create(environment=cast.island, day=today, rule="island-only", count=1)

    page = olive.get(PAGE).content.decode()

    assert "What is called like a secret" in page and ">41<" in page
    assert "Agents let something through" in page and "Older than policies" in page
    assert "island-only" not in page


def test_the_page_promises_no_more_than_agents_that_have_heard_it_keep(olive, cast):
    RedactionPolicy.objects.create(environment=cast.production, mode="shapes")

    page = olive.get(PAGE).content.decode()

    assert "once an agent has heard it" in page
    assert "where only producers run hears of none: set <code>Z4J_REDACTION</code> there" in page


def test_a_pasted_value_leaves_no_trace(olive, cast, caplog):
    caplog.set_level(logging.DEBUG)

    answer = olive.post(f"{PAGE}try/", {"value": json.dumps({"password": PASTED, "note": "paid"})})

    page = answer.content.decode()
    assert answer.status_code == 200 and "no-store" in answer["Cache-Control"]
    assert "[redacted]" in page and "paid" in page and "str[4]" in page
    assert PASTED not in page and PASTED not in caplog.text and PASTED not in everything()
    assert "Location" not in answer and PASTED not in answer.request["PATH_INFO"] + answer.request["QUERY_STRING"]


def test_a_value_is_tried_with_the_rules_of_the_project(olive, cast):
    RedactionRule.objects.create(project=cast.harbor, slug="orders", kind="text", match="ORD-####", tasks="mail.*")
    asked = {"value": "about ORD-1234", "task": "mail.send"}

    assert "about [redacted:orders]" in olive.post(f"{PAGE}try/", asked).content.decode()
    assert "about ORD-1234" in olive.post(f"{PAGE}try/", asked | {"task": "shop"}).content.decode()
    told = olive.post(f"{API}test/", asked, content_type="application/json").json()
    assert [one["mode"] for one in told] == ["redact", "shapes", "seal"]
    assert told[0]["text"] == "about [redacted:orders]" and told[0]["hidden"] == {"orders": 1}
    assert [one["mode"] for one in told if one["holds"]] == ["shapes"]


def test_a_rule_is_tried_on_samples_before_it_is_saved_and_faults_stand_beside_their_field(olive, cast):
    rule = {"id": "orders", "kind": "text", "match": "ORD-####", "samples": "ship ORD-1234\nship A-1"}

    tried = olive.post(f"{PAGE}rule/", rule | {"do": "try"}).content.decode()
    assert "ship [redacted:orders]" in tried and "ship A-1" in tried and not RedactionRule.objects.exists()

    short = olive.post(f"{PAGE}rule/", rule | {"match": "#", "do": "save"})
    assert short.status_code == 400 and 'id="match-error"' in short.content.decode()

    assert olive.post(f"{PAGE}rule/", rule | {"do": "save"}).status_code == 302
    assert RedactionRule.objects.get().match == "ORD-####"
    assert "ORD-1234" not in everything()
    taken = olive.post(f"{PAGE}rule/", rule | {"do": "save"})
    assert taken.status_code == 400 and 'id="id-error"' in taken.content.decode()


def test_the_policy_is_set_line_by_line_and_loosening_asks_for_a_reason(olive, cast):
    type(cast.production).objects.filter(pk=cast.production.pk).update(reason_required=True)
    tight = {"mode": "shapes", "glob": ["billing.*", ""], "at-least": ["seal", "shapes"]}

    assert olive.post(PAGE, tight).status_code == 302
    assert RedactionPolicy.objects.get().tasks == [["billing.*", "seal"]]

    loose = olive.post(PAGE, {"mode": "redact", "glob": ["billing.*"], "at-least": [""]})
    assert loose.status_code == 400 and 'id="why-error"' in loose.content.decode()
    assert RedactionPolicy.objects.get().mode == "shapes"
    bad = olive.post(PAGE, tight | {"seal_key": "short"})
    assert bad.status_code == 400 and 'id="seal-error"' in bad.content.decode()

    assert olive.post(PAGE, {"mode": "redact", "reason": "staging data"}).status_code == 302
    assert [row.payload for row in EntryPrivate.objects.all() if b"'mode'" in row.payload or b'"mode"' in row.payload]
    assert RedactionPolicy.objects.get().tasks == []


def test_whoever_may_not_change_it_sees_it_and_is_told_so(client, cast):
    vera = cast.sign_in(client, "vera")

    page = vera.get(PAGE).content.decode()

    assert "Your role does not change this" in page and "Add a rule" not in page
    assert vera.post(PAGE, {"mode": "shapes"}).status_code == 403
    assert vera.get(f"{PAGE}rule/").status_code == 403

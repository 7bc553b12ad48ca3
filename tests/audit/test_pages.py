"""Who reads which entries, what the pages say of them, and what a search finds."""

from __future__ import annotations

import dataclasses
import io
import zipfile

import pytest
from django.test import Client
from django.urls import reverse

from tests import rows
from tests.cast import PASSWORD
from z4j_brain.audit import named, proving, queries
from z4j_brain.audit.models import Stream
from z4j_brain.ledger import entries, proofs, sealing
from z4j_brain.ledger.models import Entry
from z4j_brain.ledger.states import LogState, Outcome, Phase
from z4j_brain.lib import fields
from z4j_brain.lib.ids import uuid7
from z4j_brain.rbac import actions as rbac
from z4j_brain.rbac.action import REGISTRY
from z4j_brain.rbac.fresh import Fresh
from z4j_brain.tasks import actions as tasks

HERE = "/harbor/production/audit/"
SIEM = {"what": "stream", "name": "siem", "kind": "webhook", "address": "https://siem.example/hook"}


def test_every_action_has_a_name_that_can_be_said_in_another_language():
    assert REGISTRY.keys() <= named.ACTIONS.keys()


def wrote(actor, place, action="task.retry", *, reason="", outcome=Outcome.ALLOWED, **more):
    project, environment = (place.project.slug, place.slug) if place else ("", "")
    private = {"reason": reason} if reason else {}
    return entries.append(
        phase=Phase.REQUEST,
        action=action,
        actor=actor,
        outcome=outcome,
        project=project,
        environment=environment,
        private=private,
        **more,
    )


@pytest.fixture
def as_(client, cast):
    def as_(who):
        client.force_login(cast.user(who), backend="django.contrib.auth.backends.ModelBackend")
        return client

    as_.client = client
    return as_


@pytest.fixture
def trail(cast):
    """An entry of oscar, one of vera, one of a neighbour, and one that concerns no project."""
    return {
        "oscar": wrote(cast.actor("oscar"), cast.production, reason="mail relay is back", target=("queue", "7")),
        "vera": wrote(cast.actor("vera"), cast.production, "queue.purge", outcome=Outcome.REFUSED, reason="By mistake"),
        "stan": wrote(cast.actor("stan"), cast.island, reason="quiet please"),
        "nobody": wrote(cast.actor("stan"), None, "token.mint"),
    }


def seen(rows, trail):
    found = set(rows.values_list("pk", flat=True))
    return {name for name, entry in trail.items() if entry.pk in found}


@pytest.mark.parametrize(
    ("who", "here"),
    [
        ("olive", {"oscar", "vera"}),
        ("audrey", {"oscar", "vera"}),
        ("adam", set()),
        ("oscar", {"oscar"}),
        ("vera", {"vera"}),
    ],
)
def test_the_trail_of_a_place_is_for_who_reads_it_and_ones_own_entries_for_everybody(cast, trail, as_, who, here):
    assert seen(queries.entries(cast.actor(who), cast.production), trail) == here
    page = as_(who).get(HERE).content.decode()
    assert {name for name in trail if f"entry-{trail[name].pk}" in page} == here
    for name, entry in trail.items():
        assert as_(who).get(f"{HERE}{entry.pk}/").status_code == (200 if name in here else 404)


def test_of_the_whole_instance_everybody_sees_their_part(cast, trail):
    staff = cast.user("adam")
    staff.is_staff = True
    staff.save()

    assert seen(queries.everywhere(cast.actor("olive")), trail) == {"oscar", "vera"}
    assert seen(queries.everywhere(cast.actor("stan")), trail) == {"stan", "nobody"}
    assert seen(queries.everywhere(cast.actor("vera")), trail) == {"vera"}
    assert seen(queries.everywhere(cast.actor("adam")), trail) == {"nobody"}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, {"oscar", "vera"}),
        ({"q": "RELAY"}, {"oscar"}),
        ({"q": "who:oscar"}, {"oscar"}),
        ({"who": "vera"}, {"vera"}),
        ({"q": "who:stan"}, set()),
        ({"q": "verb:task.retry"}, {"oscar"}),
        ({"q": "verb:queue."}, {"vera"}),
        ({"q": "verb:purge mistake"}, {"vera"}),
        ({"q": "target:queue:7"}, {"oscar"}),
        ({"q": "outcome:refused"}, {"vera"}),
        ({"since": "24h"}, {"oscar", "vera"}),
        ({"after": "2099-01-01"}, set()),
        ({"before": "2001-01-01"}, set()),
        ({"before": "2099-01-01T00:00:00+02:00"}, {"oscar", "vera"}),
    ],
)
def test_a_search_finds_by_who_what_on_what_outcome_time_and_words_of_the_reason(trail, as_, query, found):
    page = as_("olive").get(HERE, query).content.decode()

    assert {name for name in trail if f"entry-{trail[name].pk}" in page} == found


def test_what_a_search_does_not_understand_it_says(trail, as_):
    page = as_("olive").get(HERE, {"since": "3y", "after": "noon", "outcome": "fine"}).content.decode()

    assert "There is no time range 3y." in page
    assert "noon is no time" in page
    assert "No outcome is called fine" in page


def test_a_page_of_the_trail_leads_to_older_entries_and_back(cast, as_):
    made = [wrote(cast.actor("oscar"), cast.production) for _ in range(60)]

    first = as_("olive").get(HERE)
    older = as_("olive").get(HERE, {"cursor": first.context["page"].next})

    shown = [touch.id for page in (first, older) for touch in page.context["touches"]]
    assert shown == [entry.pk for entry in sorted(made, key=lambda entry: entry.pk, reverse=True)]
    assert as_("olive").get(HERE, {"cursor": older.context["page"].previous}).context["touches"][0].id == shown[0]


def test_an_entry_tells_who_what_why_on_how_many_and_what_belongs_to_it(cast, as_):
    task = rows.task(cast.production)
    rows.agent(cast.production)
    operation = tasks.retry(cast.production, [task.pk], actor=cast.actor("oscar"), reason="relay is back")
    entries.append(
        phase=Phase.RESULT,
        action="task.retry",
        actor=cast.actor("oscar"),
        outcome=Outcome.SUCCEEDED,
        project="harbor",
        environment="production",
        target=("operation", str(operation.pk)),
        parent=operation.entry_id,
    )

    page = as_("audrey").get(f"{HERE}{operation.entry_id}/")

    text = page.content.decode()
    assert [one.outcome for one in page.context["relatives"]] == ["allowed", "succeeded"]
    for told in ("Retry task", "oscar", "relay is back", str(operation.pk), page.context["leaf"][:8]):
        assert told in text


def test_what_was_erased_is_gone_from_the_page_which_says_so(cast, trail, as_):
    kept = {field.name: getattr(trail["oscar"], field.name) for field in Entry._meta.concrete_fields}
    alone = Entry.objects.create(**kept | {"id": uuid7()})  # as an erasure leaves it: without its private part

    text = as_("olive").get(f"{HERE}{alone.pk}/").content.decode()

    assert "was erased" in text
    assert "relay" not in text and ">oscar<" not in text


def test_a_change_of_settings_shows_what_changed(cast, as_):
    rbac.configure_environment(cast.production, {"tasks_days": 29}, actor=cast.actor("olive"), reason="less")

    page = as_("olive").get(f"{HERE}{Entry.objects.get().pk}/")

    assert page.context["diff"]["tasks_days"] == ["30", "29"]


def test_a_list_asks_as_much_for_fifty_entries_as_for_two(cast, as_, django_assert_max_num_queries, trail):
    for _ in range(50):
        wrote(cast.actor("oscar"), cast.production)
    as_("olive")

    with django_assert_max_num_queries(30):
        as_("olive").get(HERE)
    assert reverse("log") == "/audit/"


def test_an_entry_is_verified_step_by_step(cast, as_, seal):
    entry = seal(5)[2]
    unsealed = wrote(cast.actor("oscar"), cast.production)

    page = as_("audrey").get(f"{HERE}{entry.pk}/", {"verify": "1"})

    assert page.context["holds"]
    assert [step.holds for step in page.context["steps"]][-2:] == [True, True]
    assert len(page.context["steps"]) == 3 + len(page.context["proof"].inclusion.path)
    kept = as_("audrey").get(f"{HERE}{entry.pk}/", {"proof": "1"}).json()
    assert kept["checkpoint"] == page.context["proof"].inclusion.checkpoint
    assert "Not sealed yet" in as_("audrey").get(f"{HERE}{unsealed.pk}/").content.decode()


def test_an_entry_that_was_altered_is_not_proven(as_, seal, monkeypatch):
    entry = seal(5)[2]
    found = proving.proofs.inclusion
    monkeypatch.setattr(
        proving.proofs, "inclusion", lambda pk: dataclasses.replace(found(pk), body=b"{}") if found(pk) else None
    )

    page = as_("audrey").get(f"{HERE}{entry.pk}/", {"verify": "1"})

    assert not page.context["holds"]
    assert "Not proven." in page.content.decode()


def test_the_log_of_the_instance_tells_how_it_fares_to_who_reads_a_trail(as_, seal):
    seal(2)

    told = as_("audrey").get("/audit/").content.decode()
    assert "2 entries under one signature" in told
    assert "How the log fares" not in as_("oscar").get("/audit/").content.decode()
    assert as_("oscar").get("/audit/checkpoint.txt").content.decode() == proofs.latest().note


def test_an_alarm_stands_on_every_page_of_who_can_do_something(cast, as_):
    sealing.refuse(LogState.ROLLBACK, "the log has gone back")

    assert "The audit log is not the one that was signed" in as_("olive").get("/harbor/production/").content.decode()
    assert "not the one that was signed" not in as_("oscar").get("/harbor/production/").content.decode()


def test_who_administers_the_instance_adds_and_removes_what_leaves_the_log(cast, as_):
    assert as_("olive").get("/audit/outlets/").status_code == 403
    assert as_("olive").post("/audit/outlets/", {"what": "anchor"}).status_code == 403
    make_staff(cast, "olive")
    olive = cast.sign_in(Client(), "olive")

    wrong = olive.post("/audit/outlets/", SIEM | {"address": "http://siem.example/hook"})
    made = olive.post("/audit/outlets/", SIEM)
    again = olive.post("/audit/outlets/", SIEM)

    stream = Stream.objects.get()
    assert "begins with https://" in wrong.content.decode()
    assert (wrong.status_code, made.status_code, again.status_code) == (400, 200, 400)
    secret = fields.decrypt(stream.secret)
    assert secret in made.content.decode()
    assert secret not in olive.get("/audit/outlets/").content.decode()
    assert "already exists" in again.content.decode()
    olive.post(f"/audit/outlets/streams/{stream.pk}/pause/")
    assert Stream.objects.get().paused_at
    olive.post(f"/audit/outlets/streams/{stream.pk}/remove/")
    assert not Stream.objects.exists()


def test_changing_what_leaves_the_log_asks_who_one_is_and_goes_on_with_what_one_did(cast, as_):
    make_staff(cast, "olive")

    asked = as_("olive").post("/audit/outlets/", SIEM, follow=True)
    assert not Stream.objects.exists()
    done = confirmed(as_.client, asked)
    stream = Stream.objects.get()
    assert fields.decrypt(stream.secret) in done.content.decode()

    as_.client.logout()
    asked = as_("olive").post(f"/audit/outlets/streams/{stream.pk}/remove/", follow=True)
    assert Stream.objects.exists()
    assert "Anchors and streams" in confirmed(as_.client, asked).content.decode()
    assert not Stream.objects.exists()


def confirmed(client, asked):
    """Whoever was sent to confirm gives the password."""
    where = asked.redirect_chain[-1][0]
    assert where.startswith("/account/confirm/password/?next=")
    return client.post(where, {"password": PASSWORD, "next": asked.context["redirect_field_value"]}, follow=True)


def make_staff(cast, who):
    cast.user(who).is_staff = True
    cast.user(who).save()


@pytest.mark.parametrize("name", ["anchor.add", "anchor.remove", "siem.add", "siem.resume", "siem.remove"])
def test_no_token_changes_what_leaves_the_log_and_nobody_who_signed_in_long_ago(name):
    assert REGISTRY[name].fresh is Fresh.ALL


def test_the_trail_is_taken_out_with_its_proofs_by_who_may(as_, seal):
    seal(2)

    refused = as_("oscar").post(f"{HERE}export/")
    answer = as_("audrey").post(f"{HERE}export/", {"reason": "the yearly review"})

    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        assert archive.testzip() is None
        assert any(name.endswith("checkpoints.txt") for name in archive.namelist())
    assert refused.status_code == 403
    assert "Export with proofs" in as_("audrey").get(HERE).content.decode()
    assert "Export with proofs" not in as_("oscar").get(HERE).content.decode()

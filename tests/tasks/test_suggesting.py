"""What the search box suggests, word by word."""

from __future__ import annotations

import pytest
from django.test import Client

from tests import rows
from z4j_brain.rbac import access, granting
from z4j_brain.rbac.actor import SYSTEM
from z4j_brain.rbac.states import Role
from z4j_brain.tasks.box import COLUMNS, Box
from z4j_brain.tasks.suggesting import MOST, suggestions

pytestmark = pytest.mark.django_db


@pytest.fixture
def suggested(cast):
    rows.task(cast.production, name="shop.send_receipt", queue="emails", error_type="smtplib.SMTPServerDisconnected")
    rows.task(cast.production, name="nightly.report", queue="slow lane", state="succeeded")
    rows.task(cast.staging, name="shop.secret", queue="emails-of-staging")
    rows.worker(cast.production, name="mail-1")
    rows.queue(cast.production, name="emails", depth=1204)
    rows.queue(cast.production, name="new", depth=0)

    def suggested(word, place=None, who="vera"):
        actor, place = cast.actor(who), place or cast.production
        return suggestions(actor, place, access.permissions(actor, place), word)

    return suggested


@pytest.mark.parametrize(
    ("word", "texts"),
    [
        ("na", ["name:"]),
        ("qu", ["queue:", "state:queued"]),
        ("queue:", ["queue:emails", "queue:new", 'queue:"slow lane"']),
        ('queue:"slow l', ['queue:"slow lane"']),
        ("queue:LANE", ['queue:"slow lane"']),
        ("name:send", ["name:shop.send_receipt"]),
        ("receipt", ["name:shop.send_receipt"]),
        ("error:SMTP", ["error:smtplib.SMTPServerDisconnected"]),
        ("worker:", ["worker:mail-1"]),
        ("engine:", ["engine:celery"]),
        ("state:dead", ["state:dead_lettered"]),
        ("issue:", []),
        ("nothing:", []),
        ("zzz", []),
    ],
)
def test_a_word_is_completed(suggested, word, texts):
    assert [one.text for one in suggested(word)] == texts


def test_an_empty_box_says_what_can_be_asked(suggested):
    found = suggested("")
    assert [one.text for one in found] == [f"{key}:" for key in COLUMNS]
    assert all(one.hint for one in found)


def test_a_suggestion_says_what_it_means(suggested):
    assert [one.hint for one in suggested("queue:emails")] == ["1,204 waiting"]
    assert [one.hint for one in suggested("worker:")] == ["celery, online"]
    assert [one.state for one in suggested("state:fail")] == ["failed"]


def test_the_box_understands_what_it_suggests(suggested):
    for word in ("queue:", "name:", "worker:", "engine:", "error:", "state:"):
        for one in suggested(word):
            assert not Box.read(one.text).notes
            assert Box.read(one.text).qualifiers


def test_beginnings_come_first_and_there_are_never_many(cast, suggested):
    for number in range(2 * MOST):
        rows.task(cast.production, name=f"a.batch_{number}.mail")
    rows.task(cast.production, name="mail.sweep")
    found = [one.text for one in suggested("name:mail")]
    assert len(found) == MOST
    assert "name:mail.sweep" in found


def test_who_sees_a_part_only_is_told_states_and_qualifiers(cast, suggested):
    page = cast.sign_in(Client(), "stan")
    assert page.get("/harbor/production/tasks/words/?q=queue:").status_code == 404
    granting.give(cast.production, cast.user("stan"), Role.VIEWER, queue_glob="emails", actor=SYSTEM)
    assert suggested("queue:", who="stan") == suggested("shop", who="stan") == []
    assert [one.text for one in suggested("state:fa", who="stan")] == ["state:failed"]
    assert "emails" not in page.get("/harbor/production/tasks/words/?q=queue:").content.decode()

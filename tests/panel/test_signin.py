"""Signing in, second factors, and the sessions that come of it, over the requests that a browser sends."""

from __future__ import annotations

import json
import re
import time
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from tests.cast import PASSWORD
from z4j_brain.ledger.models import Entry, EntryPrivate
from z4j_brain.rbac.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def unhurried():
    """Sign-ins of other tests are none of this one's in its minute."""
    cache.clear()


@pytest.fixture
def browser(cast, django_capture_on_commit_callbacks):
    """A browser of its own at each call; what waits for a commit is done when a request is."""

    class Browser(Client):
        def request(self, **request):
            with django_capture_on_commit_callbacks(execute=True):
                return super().request(**request)

    return Browser


def sign_in(client, name="vera", password=PASSWORD, **more):
    return client.post("/sign-in/", {"login": name, "password": password, **more})


def code(secret, steps=0):
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def told():
    return list(Entry.objects.order_by("ts").values_list("action", "outcome"))


class App:
    """An authenticator app that somebody added in their browser, with codes that are each good once."""

    def __init__(self, client):
        page = client.get("/account/app/add/").content.decode()
        self.secret = re.search(r"<code[^>]*>([A-Z2-7]{32})</code>", page)[1]
        added = client.post("/account/app/add/", {"code": code(self.secret)})
        assert added["Location"] == "/account/recovery-codes/", added.content
        self.steps = iter((0, 1, -1))

    def code(self):
        return code(self.secret, next(self.steps))


@pytest.fixture
def vera(browser):
    client = browser()
    assert sign_in(client).status_code == 302
    return client


@pytest.fixture
def app(vera):
    return App(vera)


@pytest.fixture
def codes(vera, app):
    return re.findall(r"<li class=\"mono\">(\d{8})</li>", vera.get("/account/recovery-codes/").content.decode())


def test_whoever_has_an_app_is_in_only_with_its_code_which_is_good_once(app):
    browser = Client()

    assert sign_in(browser)["Location"] == "/sign-in/code/"
    assert browser.get("/harbor/production/tasks/").status_code == 302
    once = app.code()
    assert browser.post("/sign-in/code/", {"code": once})["Location"] == "/"
    assert browser.get("/harbor/production/tasks/").status_code == 200

    other = Client()
    sign_in(other)
    again = other.post("/sign-in/code/", {"code": once})
    assert "was used before" in again.content.decode()
    assert other.get("/harbor/production/tasks/").status_code == 302


def test_a_recovery_code_is_good_once_and_the_codes_are_shown_once(vera, codes):
    assert len(codes) == 10
    assert codes[0] not in vera.get("/account/recovery-codes/").content.decode()

    for answer in (302, 200):
        browser = Client()
        sign_in(browser)
        assert browser.post("/sign-in/code/", {"code": codes[0]}).status_code == answer


def test_the_database_holds_no_seed_that_could_be_used(app, codes):
    kept = json.dumps(list(Authenticator.objects.values_list("data", flat=True)))

    assert app.secret not in kept
    assert not any(one in kept for one in codes)


def test_a_sign_in_takes_a_new_session_key(client, cast):
    client.get("/sign-in/")
    session = client.session
    session["before"] = True
    session.save()
    client.cookies["z4j"] = before = session.session_key

    sign_in(client)

    assert client.cookies["z4j"].value != before
    assert not Session.objects.filter(session_key=before).exists()


def test_a_new_factor_and_a_new_password_end_the_other_sessions(vera, cast):
    other, third = Client(), Client()
    sign_in(other)
    app = App(vera)
    assert other.get("/account/").status_code == 302
    assert vera.get("/account/").status_code == 200

    sign_in(third)
    third.post("/sign-in/code/", {"code": app.code()})
    form = {"oldpassword": PASSWORD, "password1": "a horse of another colour", "password2": "a horse of another colour"}
    assert vera.post("/account/password/", form)["Location"] == "/account/"
    assert third.get("/account/").status_code == 302
    assert vera.get("/account/").status_code == 200


def test_one_session_is_ended_or_all_others_but_never_somebody_elses(vera, cast):
    others = [Client(headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}) for _ in range(3)]
    for other in others:
        sign_in(other)
    stan = Client()
    sign_in(stan, "stan")
    page = vera.get("/account/sessions/").content.decode()
    ids = re.findall(r'name="session" value="(\d+)"', page)
    assert page.count("Firefox on Linux") == 6  # in the list, and in the label of its button
    foreign = re.findall(r"\d+", str(list(User.objects.get(username="stan").usersession_set.values_list("pk"))))[0]

    vera.post("/account/sessions/", {"session": foreign})
    assert stan.get("/account/").status_code == 200
    vera.post("/account/sessions/", {"session": ids[0]})
    assert sum(other.get("/account/").status_code == 200 for other in others) == 2
    vera.post("/account/sessions/", {"session": "others"})
    assert all(other.get("/account/").status_code == 302 for other in others)
    assert vera.get("/account/").status_code == 200


def test_a_session_ends_when_nobody_uses_it_and_after_its_whole_life(vera, settings):
    row = Session.objects.get(session_key=vera.session.session_key)
    assert abs(row.expire_date - timezone.now() - timedelta(minutes=30)) < timedelta(minutes=1)

    session = vera.session
    session["born"] = int(time.time()) - 12 * 3600 + 60
    session["seen"] = 0
    session.save()
    assert vera.get("/account/").status_code == 200
    row.refresh_from_db()
    assert row.expire_date - timezone.now() <= timedelta(seconds=61)

    Session.objects.filter(pk=row.pk).update(expire_date=timezone.now())
    assert vera.get("/account/").status_code == 302


def test_what_a_page_fetches_by_itself_keeps_no_session(vera):
    session = vera.session
    session["seen"] = 0
    session.save()

    vera.get("/harbor/production/tasks/", headers={"X-Live": "1"})
    assert vera.session["seen"] == 0
    vera.get("/harbor/production/tasks/")
    assert vera.session["seen"] > 0


def test_a_disabled_person_is_out_at_once(vera):
    User.objects.filter(username="vera").update(is_active=False)

    assert vera.get("/account/").status_code == 302
    assert sign_in(Client()).status_code == 200


def test_five_wrong_tries_of_any_kind_lock_the_name_from_everywhere(app):
    browser = Client(REMOTE_ADDR="192.0.2.1")
    for _ in range(2):
        sign_in(browser, password="wrong")
    sign_in(browser)
    for _ in range(3):
        refused = browser.post("/sign-in/code/", {"code": "000000"})
    assert refused.status_code == 429
    assert "locked for 15 minutes" in refused.content.decode()

    elsewhere = sign_in(Client(REMOTE_ADDR="192.0.2.2"))
    assert "locked for 15 minutes" in elsewhere.content.decode()
    assert browser.post("/sign-in/code/", {"code": app.code()}).status_code == 429
    assert told().count(("session.refuse", "refused")) == 5
    assert told().count(("session.lock", "refused")) == 1


def test_confirming_and_changing_the_password_are_no_other_doors_to_guess_at(vera):
    form = {"oldpassword": "wrong", "password1": "a horse of another colour", "password2": "a horse of another colour"}
    for _ in range(3):
        assert "That is not your password." in vera.post("/account/password/", form).content.decode()
    for _ in range(2):
        last = vera.post("/account/confirm/password/", {"password": "wrong"})

    assert (last.status_code, "locked for" in last.content.decode()) == (429, True)


@pytest.mark.parametrize("proof", ["password", "code"])
def test_whoever_guesses_at_a_name_does_not_keep_its_person_from_confirming(vera, request, proof):
    app = request.getfixturevalue("app") if proof == "code" else None
    for number in range(5):
        locked = sign_in(Client(REMOTE_ADDR=f"192.0.2.{number}"), password="wrong")
    assert "locked for 15 minutes" in locked.content.decode()
    form = {"code": app.code()} if app else {"password": PASSWORD}
    path = "/account/confirm/code/" if app else "/account/confirm/password/"

    assert vera.post(path, form).status_code == 302
    assert "locked for 15 minutes" in sign_in(Client()).content.decode()


def test_wrong_tries_in_a_session_close_this_session_and_not_the_way_in(vera):
    for _ in range(5):
        last = vera.post("/account/confirm/password/", {"password": "wrong"})
    assert (last.status_code, "in this session" in last.content.decode()) == (429, True)
    assert vera.post("/account/confirm/password/", {"password": PASSWORD}).status_code == 429
    lock = Entry.objects.get(action="session.lock")
    assert lock.target_id == str(User.objects.get(username="vera").pk)
    assert b"in session" not in bytes(EntryPrivate.objects.get(entry=lock).payload)

    assert sign_in(Client()).status_code == 302


def test_a_name_that_nobody_has_is_refused_in_the_same_words(client, cast):
    known, unknown = (sign_in(client, name, "wrong").content.decode() for name in ("vera", "nobody"))
    strip = re.compile(r'value="[^"]*"')

    assert strip.sub("", known) == strip.sub("", unknown)


def test_the_ledger_says_who_came_and_went(vera, app, codes):
    vera.post("/account/app/remove/")
    vera.post("/sign-out/")
    sign_in(Client(), "nobody", "wrong")

    assert [action for action, _ in told()] == [
        "session.begin",
        "factor.add",
        "recovery_codes.make",
        "recovery_codes.view",
        "factor.remove",
        "factor.remove",
        "session.end",
        "session.refuse",
    ]
    assert b"nobody" in bytes(EntryPrivate.objects.get(entry__action="session.refuse").payload)
    assert all(b"nobody" not in bytes(body) for body in Entry.objects.values_list("body", flat=True))


@pytest.mark.parametrize(
    "name", ["account_signup", "account_reset_password", "account_email", "socialaccount_signup", "mfa_trust"]
)
def test_nobody_makes_an_account_of_their_own_or_comes_in_by_mail(name):
    with pytest.raises(NoReverseMatch):
        reverse(name)


def test_what_was_typed_is_not_kept_while_somebody_confirms(vera):
    session = vera.session
    session["account_authentication_methods"] = []
    session.save()
    form = {"oldpassword": PASSWORD, "password1": "a horse of another colour", "password2": "a horse of another colour"}

    assert vera.post("/account/password/", form)["Location"].startswith("/account/confirm/?next=")
    assert "another colour" not in json.dumps(dict(vera.session.items()))

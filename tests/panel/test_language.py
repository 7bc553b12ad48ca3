"""The panel speaks its reader's language; programs are answered in English, whoever asks."""

from __future__ import annotations

import pytest
from django.template import Context, Template
from django.urls import reverse
from django.utils import translation

GERMAN = {"Accept-Language": "de-CH, de;q=0.9, en;q=0.1"}


def language(answer):
    return answer.content.decode().partition('<html lang="')[2][:2]


@pytest.mark.django_db
def test_who_has_chosen_nothing_is_spoken_to_as_their_browser_asks(client):
    assert language(client.get("/sign-in/", headers=GERMAN)) == "de"
    assert language(client.get("/sign-in/", headers={"Accept-Language": "fr"})) == "en"


@pytest.mark.django_db
def test_a_choice_is_kept_also_before_one_signs_in_and_leads_back(client):
    answer = client.post(reverse("language"), {"language": "de"}, headers={"Referer": "http://testserver/sign-in/"})
    assert answer["Location"] == "http://testserver/sign-in/"
    assert language(client.get("/sign-in/", headers={"Accept-Language": "en"})) == "de"


@pytest.mark.django_db
def test_a_choice_leads_to_no_other_site_takes_a_form_and_is_one_of_ours(client):
    foreign = {"language": "tlh", "next": "https://elsewhere.example/"}
    assert client.post(reverse("language"), foreign)["Location"] == "/"
    assert client.get(reverse("language"), {"language": "de"}).status_code == 405
    assert language(client.get("/sign-in/")) == "en"


def test_programs_are_answered_in_english(client, cast):
    cast.sign_in(client, "olive")
    client.cookies["z4j-language"] = "de"
    answer = client.get("/api/v1/harbor/production/tasks/?limit=many", headers=GERMAN)
    assert answer.status_code == 400
    assert answer.json()["title"] == "Invalid request"


def test_numbers_are_written_alike_in_every_language():
    with translation.override("de"):
        assert Template("{{ share|floatformat:1 }} {{ x }}").render(Context({"share": 2.5, "x": 0.25})) == "2.5 0.25"

"""The first administrator: made once, by whoever holds the link first."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from tests.cast import PASSWORD
from z4j_brain.rbac import actions
from z4j_brain.rbac.access import INSTANCE, decide
from z4j_brain.rbac.actor import COMMAND_LINE, SETUP_LINK, Actor
from z4j_brain.rbac.models import Environment, Setup, User
from z4j_brain.rbac.states import Permission

pytestmark = pytest.mark.django_db


@pytest.fixture
def link():
    return actions.offer_setup(INSTANCE, actor=COMMAND_LINE)


def test_the_link_makes_one_owner_and_then_is_spent(link):
    assert Setup.accepts(link)

    user = actions.create_owner(INSTANCE, "olive", PASSWORD, link=link, actor=SETUP_LINK)

    environment = Environment.objects.get(project__slug="default", slug="production")
    assert all(decide(Actor.of_user(user), permission, environment).allow for permission in Permission)
    assert not Setup.accepts(link) and Setup.is_done()
    with pytest.raises(actions.AlreadySetUp):
        actions.create_owner(INSTANCE, "mallory", PASSWORD, link=link, actor=SETUP_LINK)
    with pytest.raises(actions.AlreadySetUp):
        actions.offer_setup(INSTANCE, actor=COMMAND_LINE)
    assert User.objects.count() == 1


def test_a_second_link_ends_the_first(link):
    second = actions.offer_setup(INSTANCE, actor=COMMAND_LINE)

    assert not Setup.accepts(link) and Setup.accepts(second)


def test_the_link_ends_after_fifteen_minutes(link):
    assert Setup.objects.get().link_expires_at <= timezone.now() + timedelta(minutes=15)
    Setup.objects.update(link_expires_at=timezone.now())

    assert not Setup.accepts(link)
    with pytest.raises(actions.AlreadySetUp):
        actions.create_owner(INSTANCE, "olive", PASSWORD, link=link, actor=SETUP_LINK)


@pytest.mark.parametrize(("name", "password"), [("olive", "short"), ("no spaces", PASSWORD), ("olive", "password1234")])
def test_a_name_or_password_that_will_not_do_leaves_the_link_open(link, name, password):
    with pytest.raises(ValidationError):
        actions.create_owner(INSTANCE, name, password, link=link, actor=SETUP_LINK)

    assert Setup.accepts(link) and not User.objects.exists()


def test_the_database_keeps_no_link_that_could_be_used(link):
    assert link not in str(list(Setup.objects.values_list()))

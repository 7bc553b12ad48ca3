"""What takes a second person beside operations: who becomes an admin, and the policy itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from z4j_brain.ledger.models import Entry
from z4j_brain.rbac import actions, approvals, consent, guarding, policies
from z4j_brain.rbac.action import Refused
from z4j_brain.rbac.models import Approval, ApprovalPolicy, Membership, User
from z4j_brain.rbac.states import Role


@pytest.fixture
def place(cast):
    """Harbor's production as it comes out of the box."""
    ApprovalPolicy.objects.all().delete()
    return cast.production


def promote(cast, who="olive", role=Role.ADMIN):
    return actions.set_membership(cast.harbor, cast.user("oscar"), role, actor=cast.actor(who), reason="she asked")


def held(cast):
    return Membership.objects.get(user=cast.user("oscar")).role


def test_an_admin_is_made_by_two_and_once(cast, place):
    with pytest.raises(approvals.Needed) as asked:
        promote(cast)
    with pytest.raises(approvals.Needed, match="Nobody has approved this yet"):
        promote(cast)
    assert (held(cast), Approval.objects.count()) == ("operator", 1)
    assert str(asked.value.approval.pk) in asked.value.detail

    consent.approve(asked.value.approval, actor=cast.actor("adam"))
    promote(cast)

    assert (held(cast), Approval.objects.get().state) == ("admin", "done")
    told = Entry.objects.order_by("id").values_list("phase", "action")
    assert list(told) == [("admin", "member.set_role"), ("approval", "approval.approve"), ("admin", "member.set_role")]
    promote(cast, role=Role.OPERATOR)
    with pytest.raises(approvals.Needed):  # the yes counted once
        promote(cast)


def test_a_yes_is_for_that_very_wish_of_that_very_person(cast, place):
    with pytest.raises(approvals.Needed) as asked:
        promote(cast)
    consent.approve(asked.value.approval, actor=cast.actor("adam"))

    with pytest.raises(approvals.Needed):
        promote(cast, role=Role.OWNER)
    with pytest.raises(approvals.Needed):
        actions.set_membership(cast.harbor, cast.user("vera"), Role.ADMIN, actor=cast.actor("olive"))
    Approval.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(approvals.Needed):
        promote(cast)
    assert held(cast) == "operator"


def test_nobody_agrees_to_their_own_wish(cast, place):
    with pytest.raises(approvals.Needed) as asked:
        promote(cast)

    with pytest.raises(Refused) as refusal:
        consent.approve(asked.value.approval, actor=cast.actor("olive"))

    assert refusal.value.rule == "own_request"


def test_where_one_person_could_agree_an_owner_acts_alone(cast, place):
    User.objects.filter(username="adam").update(is_active=False)

    promote(cast)

    assert held(cast) == "admin"


def test_the_policy_is_not_lifted_by_one_person(cast, place):
    wish = {"rules": {}}
    with pytest.raises(approvals.Needed) as asked:
        guarding.set_policy(place, wish, actor=cast.actor("adam"))
    assert policies.of(place).rules["queue.purge"] == 0

    consent.approve(asked.value.approval, actor=cast.actor("olive"))
    guarding.set_policy(place, wish, actor=cast.actor("adam"))

    assert policies.of(place).rules == {}


@pytest.mark.parametrize(
    "wish", [{"rules": {"no.such": 0}}, {"rules": {"*": -1}}, {"rules": {"*": True}}, {"minutes": 0}, {"colour": "red"}]
)
def test_a_policy_that_cannot_be_meant_is_refused(cast, wish):
    with pytest.raises(ValidationError):
        guarding.set_policy(cast.production, wish, actor=cast.actor("olive"))


def test_the_pages_lead_from_the_wish_to_the_yes_and_back(cast, place):
    adam, olive = cast.sign_in(Client(), "adam"), cast.sign_in(Client(), "olive")
    form = {"minutes": "20", "approvers": "1", "rule-queue-purge": "2"}

    sent = adam.post("/harbor/production/settings/approvals/", form)
    pk = Approval.objects.get().pk
    inbox = olive.get("/harbor/production/approvals/").content.decode()
    own = adam.get(sent["Location"]).content.decode()
    olive.post(f"/harbor/production/approvals/{pk}/approve/")
    saved = adam.post("/harbor/production/settings/approvals/", form, follow=True).content.decode()

    assert sent["Location"] == f"/harbor/production/approvals/{pk}/"
    assert "for you" in inbox
    assert "waiting for you" in inbox
    assert "somebody else answers" in own
    assert "Saved." in saved
    assert policies.of(place).rules == {"queue.purge": 2}

"""Who could be the second person, whatever way they came by it, and what happens when nobody is left to be one."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from tests.operations.approvals import stage
from z4j_brain.fleet import actions as fleet
from z4j_brain.rbac import (
    access,
    actions,
    approvals,
    consent,
    fresh,
    granting,
    guarding,
    joining,
    policies,
    servicetokens,
)
from z4j_brain.rbac.action import Refused
from z4j_brain.rbac.actor import SYSTEM, Actor
from z4j_brain.rbac.granted import Grant, Group
from z4j_brain.rbac.models import Approval, Membership, Token, User
from z4j_brain.rbac.states import Effect, Permission, Role

__all__ = ["stage"]


@pytest.fixture
def place(stage):
    return stage.place


def names(place):
    return [one.username for one in policies.approvers(place)]


def grant(cast, who, what=Permission.APPROVE, **fields):
    subject = {"group": who} if isinstance(who, Group) else {"user": cast.user(who)}
    key = "role" if isinstance(what, Role) else "permission"
    return Grant.objects.create(**subject, **{key: what, "project": cast.harbor} | fields)


def by_membership(cast):
    actions.set_membership(cast.harbor, cast.user("oscar"), Role.ADMIN, actor=SYSTEM)


def by_grant(cast):
    grant(cast, "oscar")


def by_role_here(cast):
    grant(cast, "oscar", Role.ADMIN, environment=cast.production)


def by_group(cast):
    group = Group.objects.create(name="those")
    group.members.create(user=cast.user("oscar"))
    grant(cast, group)


@pytest.mark.parametrize("way", [by_membership, by_grant, by_role_here, by_group])
def test_four_eyes_hold_whatever_way_the_second_person_came_by_it(cast, place, way):
    User.objects.filter(username="adam").update(is_active=False)
    assert not policies.standing(place).is_active

    way(cast)

    assert policies.standing(place).people == ("olive", "oscar")
    held = fleet.purge(place, [place.queues.get().pk], actor=cast.actor("olive"))
    assert held.state == "awaiting_approval"


def test_who_could_approve_is_who_may(cast, place):
    group = Group.objects.create(name="those")
    group.members.create(user=cast.user("vera"))
    grant(cast, group, Role.ADMIN)
    grant(cast, "vera", effect=Effect.DENY)
    grant(cast, "oscar", Role.ADMIN, expires_at=timezone.now() - timedelta(days=1))
    grant(cast, "audrey", environment=cast.staging)
    grant(cast, "stan", environment=cast.production)
    grant(cast, "adam", Role.ADMIN, effect=Effect.DENY, queue_glob="emails")

    may = [one.username for one in User.objects.order_by("username") if _may(one, place)]

    assert names(place) == may == ["adam", "olive", "stan"]


def _may(user, place):
    return access.decide(Actor.of_user(user), Permission.APPROVE, place).allow


def test_many_who_could_approve_cost_no_more_queries_than_few(cast, place, django_assert_max_num_queries):
    users = User.objects.bulk_create(User(username=f"admin-{number}") for number in range(40))
    group = Group.objects.create(name="those")
    for user in users:
        group.members.create(user=user)
    grant(cast, group, Role.ADMIN)

    with django_assert_max_num_queries(4):
        assert len(policies.approvers(place)) == 42


def test_whoever_rotates_a_service_token_does_not_approve_what_it_asks_for(cast, place):
    token, _ = servicetokens.mint(cast.harbor, "ci", [Permission.RETRY], actor=cast.actor("olive"))
    rotated, _ = servicetokens.rotate(token, actor=cast.actor("adam"))
    asked = _asked(place, rotated)

    assert approvals.refusal(asked, cast.actor("adam")).rule == "own_request"
    assert approvals.refusal(asked, cast.actor("olive")) is None


def test_nobody_approves_what_nobody_is_known_to_stand_behind(cast, place):
    token, _ = servicetokens.mint(cast.harbor, "ci", [Permission.RETRY], actor=cast.actor("olive"))
    Token.objects.filter(pk=token.pk).update(minted_by=None)

    refusal = approvals.refusal(_asked(place, Token.objects.get(pk=token.pk)), cast.actor("adam"))

    assert refusal.rule == "nobody_behind"


def _asked(place, token):
    where, wish = approvals.Where(place, "*", False), approvals.Wish(place, {})
    return approvals.ask(where, "task.retry", wish, Actor.of_token(token), "")


def demote(cast, who="adam", role=Role.VIEWER):
    return actions.set_membership(cast.harbor, cast.user(who), role, actor=cast.actor("olive"), reason="a spat")


def remove(cast):
    return demote(cast, role=None)


def deny(cast):
    give = {"effect": Effect.DENY, "actor": cast.actor("olive"), "reason": "a spat"}
    return granting.give(cast.production, cast.user("adam"), Permission.APPROVE, **give)


def revoke(cast):
    return granting.revoke(Grant.objects.get(user=cast.user("adam")), actor=cast.actor("olive"), reason="a spat")


@pytest.mark.parametrize("take", [demote, remove, deny, revoke])
def test_nobody_ends_approvals_alone_by_taking_the_second_person_away(cast, place, take):
    if take is revoke:
        Membership.objects.filter(user=cast.user("adam")).update(role=Role.ADMIN)
        actions.set_membership(cast.harbor, cast.user("adam"), Role.OPERATOR, actor=SYSTEM)
        Approval.objects.all().delete()
        grant(cast, "adam", Role.OWNER)

    with pytest.raises(approvals.Needed) as asked:
        take(cast)

    assert policies.standing(place).is_active
    consent.approve(asked.value.approval, actor=cast.actor("adam"))
    take(cast)
    assert not policies.standing(place).is_active
    assert not approvals.alarms(place).exists()


@pytest.mark.parametrize("take", [demote, remove, deny])
def test_where_enough_are_left_one_person_takes_it(cast, place, take):
    by_group(cast)

    take(cast)

    assert names(place) == ["olive", "oscar"]


def test_disabling_the_second_person_is_heard_like_a_broken_glass(cast, place, caplog):
    User.objects.filter(username="olive").update(is_staff=True)

    with caplog.at_level(logging.CRITICAL):
        joining.disable(cast.user("adam"), actor=cast.actor("olive"), reason="a spat")

    alarm = approvals.alarms(place).get()
    assert (alarm.action, alarm.decided_name) == ("user.disable", "olive")
    assert alarm.decided_reason.startswith("a spat. Too few people are left")
    assert "user.disable" in caplog.text
    page = cast.sign_in(Client(), "vera").get("/harbor/production/queues/").content.decode()
    assert "olive broke the glass" in page
    detail = cast.sign_in(Client(), "vera").get(f"/harbor/production/approvals/{alarm.pk}/")
    assert detail.status_code == 200


def test_so_is_a_demotion_where_the_policy_does_not_speak_of_roles(cast, place):
    guarding.set_policy(place, {"rules": {"queue.purge": 0}}, actor=SYSTEM)

    demote(cast)

    assert approvals.alarms(place).get().action == "member.set_role"


def test_a_policy_that_does_not_name_itself_is_changed_by_two(cast, place):
    guarding.set_policy(place, {"rules": {"queue.purge": 0}}, actor=SYSTEM)

    with pytest.raises(approvals.Needed):
        guarding.set_policy(place, {"rules": {}}, actor=cast.actor("adam"))

    assert policies.of(place).rules == {"queue.purge": 0}


def test_a_policy_is_changed_with_a_fresh_proof_of_who_one_is(cast, place):
    with pytest.raises(Refused) as refusal:
        guarding.set_policy(place, {"minutes": 20}, actor=Actor.of_user(cast.user("olive")))

    assert refusal.value.rule == "fresh_mfa"


def test_more_approvers_are_not_asked_for_than_there_are_others(cast, place):
    with pytest.raises(ValidationError) as error:
        guarding.set_policy(place, {"approvers": 2}, actor=SYSTEM)
    assert "2 could approve here, and it takes 3" in str(error.value)

    by_grant(cast)

    assert guarding.set_policy(place, {"approvers": 2}, actor=SYSTEM).approvers == 2


@pytest.mark.parametrize("name", ["agent_key.mint", "service_token.mint", "grant.give", "grant.revoke", "no.such"])
def test_a_rule_that_would_hold_nothing_is_refused(cast, place, name):
    with pytest.raises(ValidationError, match="never takes a second person"):
        guarding.set_policy(place, {"rules": {name: 0}}, actor=SYSTEM)


@pytest.mark.parametrize("name", ["member.set_role", "agent_key.mint", "no.such"])
def test_a_freeze_names_what_is_done_to_targets(cast, place, name):
    begin, olive = timezone.now(), cast.actor("olive")

    with pytest.raises(ValidationError, match="A freeze holds what is done to targets"):
        guarding.set_freeze(place, begin, begin + timedelta(hours=1), [name], actor=olive, reason="x")


@pytest.mark.parametrize("way", [by_membership, by_grant, by_role_here, by_group])
def test_whoever_is_as_good_as_an_admin_gives_a_second_factor_as_one(cast, place, settings, way):
    settings.Z4J_MFA = ["admin"]
    assert not fresh.is_demanded(cast.user("oscar"))

    way(cast)

    assert fresh.is_demanded(cast.user("oscar"))


@pytest.mark.parametrize("way", [by_grant, by_role_here, by_group])
def test_an_admin_denies_nothing_to_who_is_as_good_as_one(cast, place, way):
    way(cast)

    with pytest.raises(ValidationError, match="Only an owner denies an admin"):
        granting.give(
            cast.harbor, cast.user("oscar"), Permission.RETRY, effect=Effect.DENY, actor=cast.actor("adam"), reason="x"
        )

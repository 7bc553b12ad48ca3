"""Who agrees to what only some could do: owners to owners, the owners of each place, and nobody's own guest."""

from __future__ import annotations

import pytest

from z4j_brain.rbac import actions, approvals, consent, granting, joining, policies
from z4j_brain.rbac.access import INSTANCE
from z4j_brain.rbac.action import Refused
from z4j_brain.rbac.actor import SYSTEM
from z4j_brain.rbac.granted import Grant, Group
from z4j_brain.rbac.models import Approval, ApprovalPolicy, Membership, User
from z4j_brain.rbac.states import Role


@pytest.fixture(autouse=True)
def usual(cast):
    """Every environment as it comes out of the box."""
    ApprovalPolicy.objects.all().delete()


def promote(cast, who="oscar", place=None):
    return actions.set_membership(place or cast.harbor, cast.user(who), Role.ADMIN, actor=cast.actor("olive"))


def own(cast, who, project=None):
    actions.set_membership(project or cast.harbor, cast.user(who), Role.OWNER, actor=SYSTEM)


def asked(act):
    with pytest.raises(approvals.Needed) as needed:
        act()
    return needed.value.approval


def agree(cast, approval, who):
    return consent.approve(approval, actor=cast.actor(who))


def rule(cast, approval, who):
    with pytest.raises(Refused) as refusal:
        agree(cast, approval, who)
    return refusal.value.rule


def test_an_admin_agrees_to_the_making_of_one_only_where_there_is_no_other_owner(cast):
    assert not asked(lambda: promote(cast)).by_owners
    Approval.objects.all().delete()
    own(cast, "vera")

    approval = asked(lambda: promote(cast))

    assert rule(cast, approval, "adam") == "rank"
    agree(cast, approval, "vera")
    promote(cast)
    assert Membership.objects.get(user=cast.user("oscar")).role == Role.ADMIN


def test_who_approves_in_one_environment_alone_does_not_agree_for_the_project(cast):
    User.objects.filter(username="adam").update(is_active=False)
    actions.set_membership(cast.production, cast.user("vera"), Role.ADMIN, actor=SYSTEM)
    assert "vera" in policies.standing(cast.production).people

    promote(cast)  # nobody else could have the wish, so nobody is asked

    approval = asked(lambda: promote(cast, place=cast.production))
    agree(cast, approval, "vera")


def test_the_next_environment_asks_where_the_first_one_has_nobody_who_could_agree(cast):
    """Two have to agree in the first, and there are not enough who could; in the other, one is enough."""
    actions.set_membership(cast.production, cast.user("vera"), Role.ADMIN, actor=SYSTEM)
    first = cast.harbor.environments.first()
    for place in (cast.production, cast.staging):
        ApprovalPolicy.objects.create(environment=place, rules={"member.set_role": 0}, approvers=1 + (place == first))
    if first == cast.staging:
        actions.set_membership(cast.staging, cast.user("vera"), Role.ADMIN, actor=SYSTEM)

    approval = asked(lambda: promote(cast))

    assert approval.environment != first


def guest(cast, inviter="olive", name="carol"):
    invitation, link = joining.invite(cast.harbor, name, Role.VIEWER, actor=cast.actor(inviter))
    user = joining.sign_up(INSTANCE, link, name, "wide grey umbrella", actor=SYSTEM)
    cast.users[name] = user
    actions.set_membership(cast.harbor, user, Role.ADMIN, actor=SYSTEM)
    return invitation


def test_nobody_is_approved_by_an_account_they_invited_where_somebody_else_could(cast):
    guest(cast)

    approval = asked(lambda: promote(cast))

    assert rule(cast, approval, "carol") == "own_guest"
    agree(cast, approval, "adam")


def test_where_all_others_were_invited_by_whoever_asks_they_approve(cast):
    guest(cast)
    User.objects.filter(username="adam").update(is_active=False)

    agree(cast, asked(lambda: promote(cast)), "carol")

    promote(cast)


def test_who_had_an_account_before_the_invitation_is_nobodys_guest(cast):
    _, link = joining.invite(cast.harbor, "stan", Role.VIEWER, actor=cast.actor("olive"))
    joining.accept(cast.user("stan"), link, actor=cast.actor("stan"))
    actions.set_membership(cast.harbor, cast.user("stan"), Role.ADMIN, actor=SYSTEM)

    agree(cast, asked(lambda: promote(cast)), "stan")


@pytest.fixture
def captains(cast):
    """A group that administers two projects; olive administers the instance as well."""
    User.objects.filter(username="olive").update(is_staff=True)
    cast.users["olive"].refresh_from_db()
    group = Group.objects.create(name="captains")
    for place in (cast.harbor, cast.island.project):
        Grant.objects.create(group=group, role=Role.ADMIN, project=place)
    own(cast, "audrey", cast.island.project)
    return group


@pytest.mark.parametrize("rules", [{"member.set_role": 0}, {"*": 0}])
def test_who_joins_a_group_of_admins_is_agreed_to_in_each_of_its_projects(cast, captains, rules):
    for place in (cast.production, cast.island):
        ApprovalPolicy.objects.create(environment=place, rules=rules)

    def join():
        granting.add_to_group(captains, cast.user("oscar"), actor=cast.actor("olive"))

    asked(join)
    here, there = Approval.objects.order_by("id")
    assert {here.environment, there.environment} == {cast.production, cast.island}
    agree(cast, here, "adam")
    assert asked(join) == there
    assert rule(cast, there, "adam")  # is nobody there
    agree(cast, there, "stan")
    join()

    assert captains.members.get().user == cast.user("oscar")
    assert {one.state for one in Approval.objects.all()} == {"done"}


def test_a_group_of_viewers_is_joined_without_a_second_person(cast, captains):
    Grant.objects.filter(group=captains).update(role=Role.VIEWER)

    granting.add_to_group(captains, cast.user("oscar"), actor=cast.actor("olive"))

    assert captains.members.count() == 1


@pytest.mark.parametrize("end", [granting.delete_group, lambda group, **who: leave(group, **who)])
def test_a_group_that_ends_and_approvals_with_it_is_heard(cast, captains, end):
    User.objects.filter(username="adam").update(is_active=False)
    captains.members.create(user=cast.user("oscar"))
    assert policies.standing(cast.production).is_active

    end(captains, actor=cast.actor("olive"), reason="a spat")

    assert not policies.standing(cast.production).is_active
    assert approvals.alarms(cast.production).get().decided_name == "olive"


def leave(group, **who):
    granting.remove_from_group(group, group.members.get().user, **who)


def test_who_owns_another_project_agrees_to_nothing_here(cast):
    own(cast, "vera")

    assert rule(cast, asked(lambda: promote(cast)), "stan")

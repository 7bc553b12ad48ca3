"""The same for grants, groups, invitations, accounts and service tokens."""

from __future__ import annotations

from tests.cast import PASSWORD
from tests.rbac.invoking import invocation
from z4j_brain.rbac import granting, joining, servicetokens
from z4j_brain.rbac.access import INSTANCE
from z4j_brain.rbac.granted import Grant, Group, Invitation
from z4j_brain.rbac.models import Token
from z4j_brain.rbac.states import Permission, Role


@invocation("grant.give")
def give(cast, actor):
    return granting.give(cast.production, cast.user("vera"), Permission.RETRY, actor=actor, reason="because")


@invocation("grant.revoke")
def take_back(cast, actor):
    return granting.revoke(Grant.objects.get(), actor=actor, reason="because")


@invocation("group.create")
def create_group(cast, actor):
    return granting.create_group(INSTANCE, "others", actor=actor, reason="because")


@invocation("group.delete")
def delete_group(cast, actor):
    return granting.delete_group(Group.objects.get(), actor=actor, reason="because")


@invocation("group.add")
def add_to_group(cast, actor):
    return granting.add_to_group(Group.objects.get(), cast.user("vera"), actor=actor, reason="because")


@invocation("group.remove")
def remove_from_group(cast, actor):
    return granting.remove_from_group(Group.objects.get(), cast.user("vera"), actor=actor, reason="because")


@invocation("group.claims")
def follow_claims(cast, actor):
    return granting.follow_claims(cast.user("vera"), ["/crew"], actor=actor, reason="because")


@invocation("member.invite")
def invite(cast, actor):
    return joining.invite(cast.production, "somebody", Role.VIEWER, actor=actor, reason="because")


@invocation("member.uninvite")
def uninvite(cast, actor):
    return joining.uninvite(Invitation.objects.get(sent_to="other"), actor=actor, reason="because")


@invocation("member.accept")
def accept(cast, actor):
    return joining.accept(cast.user("vera"), "l", actor=actor, reason="because")


@invocation("member.sign_up")
def sign_up(cast, actor):
    return joining.sign_up(INSTANCE, "l", "newcomer", PASSWORD, actor=actor, reason="because")


@invocation("user.disable")
def disable(cast, actor):
    return joining.disable(cast.user("vera"), actor=actor, reason="because")


@invocation("user.enable")
def enable(cast, actor):
    return joining.enable(cast.user("vera"), actor=actor, reason="because")


@invocation("service_token.mint")
def mint_service(cast, actor):
    return servicetokens.mint(cast.production, "ci", [Permission.VIEW], actor=actor, reason="because")


@invocation("service_token.rotate")
def rotate_service(cast, actor):
    return servicetokens.rotate(Token.objects.get(name="ci"), actor=actor, reason="because")


@invocation("service_token.revoke")
def revoke_service(cast, actor):
    return servicetokens.revoke(Token.objects.get(name="ci"), actor=actor, reason="because")

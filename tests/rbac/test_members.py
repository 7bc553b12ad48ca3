"""People join by invitation, hold roles, leave; programs hold tokens of a project; nobody rises by themselves."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from z4j_brain.rbac import actions, joining, servicetokens
from z4j_brain.rbac.access import decide
from z4j_brain.rbac.actor import SYSTEM, Actor
from z4j_brain.rbac.granted import Grant, Invitation
from z4j_brain.rbac.models import Membership, Token, User
from z4j_brain.rbac.states import Permission, Role

pytestmark = pytest.mark.django_db
PLACE = "/harbor/production/"
API = "/api/v1/projects/harbor/"
PASSWORD = "a sentence is fine here"


@pytest.fixture
def olive(cast):
    return cast.sign_in(Client(), "olive")


def link_of(answer):
    return answer.context["told"].text


def invited(olive, role="operator", where="here"):
    return link_of(olive.post(f"{PLACE}members/invite/", {"sent_to": "new@example.com", "role": role, "where": where}))


def test_an_invitation_makes_an_account_once(cast, olive):
    link, newcomer = invited(olive), Client()

    assert b"operator" in newcomer.get(link).content
    joined = newcomer.post(link, {"username": "nora", "password": PASSWORD})

    assert (joined.status_code, joined.headers["Location"]) == (302, PLACE)
    nora = Actor.of_user(User.objects.get(username="nora"))
    assert decide(nora, Permission.RETRY, cast.production).allow
    assert not decide(nora, Permission.VIEW, cast.staging).visible
    assert newcomer.get(f"{PLACE}tasks/").status_code == 200
    assert Client().get(link).status_code == 404
    assert Client().post(link, {"username": "second", "password": PASSWORD}).status_code == 404
    assert link not in str(list(Invitation.objects.values_list()))


def test_who_has_an_account_joins_with_it_and_is_not_lowered(cast, olive):
    link = invited(olive, "viewer", "project")
    stan = cast.sign_in(Client(), "stan")

    assert stan.post(link).status_code == 302
    assert decide(cast.actor("stan"), Permission.VIEW, cast.staging).allow

    again = invited(olive, "viewer", "project")
    assert cast.sign_in(Client(), "adam").post(again).status_code == 400
    assert Membership.objects.get(user=cast.user("adam")).role == Role.ADMIN


@pytest.mark.parametrize("how", ["withdrawn", "expired", "inviter_left", "inviter_lowered"])
def test_an_invitation_ends(cast, olive, how):
    link = invited(olive, "admin")
    row = Invitation.objects.get()
    if how == "withdrawn":
        olive.post(f"{PLACE}members/uninvite/", {"id": row.pk})
    elif how == "expired":
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    else:
        actions.set_membership(cast.harbor, cast.user("vera"), Role.OWNER, actor=SYSTEM)
        role = Role.ADMIN if how == "inviter_lowered" else None
        actions.set_membership(cast.harbor, cast.user("olive"), role, actor=SYSTEM)

    answer = Client().post(link, {"username": "nora", "password": PASSWORD})

    assert answer.status_code == 404
    assert not User.objects.filter(username="nora").exists()


def test_the_last_owner_stays(cast, olive):
    for role in (None, Role.ADMIN):
        with pytest.raises(actions.ValidationError, match="last owner"):
            actions.set_membership(cast.harbor, cast.user("olive"), role, actor=cast.actor("olive"))
    User.objects.filter(username="vera").update(is_active=False)
    actions.set_membership(cast.harbor, cast.user("vera"), Role.OWNER, actor=SYSTEM)
    with pytest.raises(actions.ValidationError, match="last owner"):  # the other one cannot sign in
        actions.set_membership(cast.harbor, cast.user("olive"), None, actor=SYSTEM)

    member = Membership.objects.get(user=cast.user("olive"))
    answer = Client().delete(f"{API}members/{member.pk}/", **cast.bearer("olive"))
    assert (answer.status_code, Membership.objects.filter(pk=member.pk).exists()) == (400, True)


def test_an_admin_gives_no_more_than_an_admin_has(cast):
    for role in (Role.OWNER, Role.ADMIN, Role.AUDITOR):
        with pytest.raises(actions.ValidationError):
            joining.invite(cast.harbor, "x", role, actor=cast.actor("adam"))
    page = cast.sign_in(Client(), "adam").get(f"{PLACE}members/")
    assert page.context["roles"] == [Role.VIEWER, Role.OPERATOR]


def test_a_service_token_is_told_once_used_rotated_and_ended(cast, olive):
    given = {"name": "deploys", "scope": ["view_metadata", "retry_task"], "where": "here"}
    first = link_of(olive.post(f"{PLACE}members/mint/", given))
    token = Token.objects.get(user=None)

    def status(text, path="tasks/", place=PLACE):
        return Client().get(f"/api/v1{place}{path}", headers={"Authorization": f"Bearer {text}"}).status_code

    assert (status(first), status(first, place="/harbor/staging/")) == (200, 404)
    assert Token.objects.get(pk=token.pk).last_used_at is not None
    assert first not in olive.get(f"{PLACE}members/").content.decode()
    for path in ("/api/v1/tokens/", "/api/v1/groups/", f"{API}grants/"):
        answer = Client().get(path, headers={"Authorization": f"Bearer {first}"})
        assert answer.status_code in (403, 404) or answer.json()["results"] == []

    second = link_of(olive.post(f"{PLACE}members/rotate/", {"id": token.pk}))
    assert (status(first), status(second)) == (401, 200)

    olive.post(f"{PLACE}members/end-token/", {"id": token.pk})
    assert status(second) == 401
    with pytest.raises(servicetokens.ValidationError):
        servicetokens.mint(cast.production, "x", [Permission.MANAGE_MEMBERS], actor=cast.actor("olive"))


def test_a_person_makes_and_ends_their_own_tokens_on_a_page(cast):
    vera = cast.sign_in(Client(), "vera")
    given = {"name": "laptop", "scope": ["view_metadata"], "project": "harbor", "days": "7"}

    text = vera.post("/account/tokens/", given).context["text"]

    bearer = {"Authorization": f"Bearer {text}"}
    assert Client().get(f"/api/v1{PLACE}tasks/", headers=bearer).status_code == 200
    token = Token.objects.get(user=cast.user("vera"), name="laptop")
    assert text not in vera.get("/account/tokens/").content.decode()
    assert cast.sign_in(Client(), "oscar").post("/account/tokens/", {"revoke": token.pk}).status_code == 404
    vera.post("/account/tokens/", {"revoke": token.pk})
    assert Client().get(f"/api/v1{PLACE}tasks/", headers=bearer).status_code == 401
    for wrong in ({"days": "0"}, {"days": "366"}, {"scope": []}, {"project": "island"}, {"name": " "}):
        assert vera.post("/account/tokens/", given | wrong).status_code == 400


def test_who_does_not_manage_members_sees_roles_and_no_more(cast, olive):
    invited(olive)
    olive.post(f"{PLACE}members/grant/", {"subject": "vera", "what": "retry_task", "queue_glob": "secret-queue"})
    vera = cast.sign_in(Client(), "vera")

    page = vera.get(f"{PLACE}members/").content.decode()

    assert "olive" in page
    assert not re.search(r"\bstan\b", page)
    assert "new@example.com" not in page
    assert "secret-queue" not in page
    assert vera.post(f"{PLACE}members/grant/", {"subject": "vera", "what": "owner"}).status_code == 403
    assert Grant.objects.count() == 1
    assert cast.sign_in(Client(), "stan").get(f"{PLACE}members/").status_code == 404


def test_a_disabled_person_is_out_until_they_are_enabled(cast):
    User.objects.filter(username="olive").update(is_staff=True)
    olive, vera = cast.sign_in(Client(), "olive"), cast.sign_in(Client(), "vera")
    place = f"/api/v1/users/{cast.user('vera').pk}/"

    assert olive.post(f"{place}disable/", {}, content_type="application/json").json()["is_active"] is False
    assert vera.get(f"{PLACE}tasks/").status_code == 302
    assert Client().get(f"/api/v1{PLACE}tasks/", **cast.bearer("vera")).status_code == 401
    own = f"/api/v1/users/{cast.user('olive').pk}/disable/"
    assert olive.post(own, {}, content_type="application/json").status_code == 400

    assert olive.post(f"{place}enable/", {}, content_type="application/json").json()["is_active"] is True
    assert Client().get(f"/api/v1{PLACE}tasks/", **cast.bearer("vera")).status_code == 200
    assert (
        Client().post(f"{place}disable/", {}, content_type="application/json", **cast.bearer("adam")).status_code == 403
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/harbor/production/settings/", {"slug": "x", "project": 1, "kind": "development", "id": 1}),
        (f"{API}members/", {"username": "vera", "role": "viewer", "user": "x", "is_staff": True}),
        (f"{API}invitations/", {"sent_to": "x", "role": "viewer", "link_hash": "x", "invited_by": "x"}),
        (f"{API}grants/", {"username": "vera", "role": "viewer", "granted_by": "x", "project": "island"}),
        (f"{API}tokens/", {"name": "x", "scopes": ["view_metadata"], "user": "x", "secret_hash": "x"}),
    ],
)
def test_a_body_sets_nothing_that_it_is_not_about(cast, path, body):
    counts = [model.objects.count() for model in (Membership, Invitation, Grant, Token)]
    method = "patch" if path.endswith("settings/") else "post"

    answer = getattr(Client(), method)(path, body, content_type="application/json", **cast.bearer("olive"))

    assert answer.status_code == 400
    assert {fault["detail"] for fault in answer.json()["errors"]} == {"Unknown field."}
    assert counts == [model.objects.count() for model in (Membership, Invitation, Grant, Token)]

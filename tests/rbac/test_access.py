"""The policy says the same whether it is asked about one thing or about all of them."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from z4j_brain.agents.models import AgentKey
from z4j_brain.rbac import actions
from z4j_brain.rbac.access import decide, scope
from z4j_brain.rbac.actor import SYSTEM, Actor
from z4j_brain.rbac.holdings import remembering
from z4j_brain.rbac.models import (
    Environment,
    EnvironmentUserObjectPermission,
    Membership,
    Project,
    ProjectUserObjectPermission,
    Token,
    User,
)
from z4j_brain.rbac.states import ROLE_PERMISSIONS, Permission, Role

pytestmark = pytest.mark.django_db
each_example_rolls_back = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])

places = st.sampled_from(["harbor", "island", "harbor/production", "harbor/staging", "island/production"])
grants = st.lists(st.tuples(places, st.none() | st.sampled_from(Role)), max_size=5)
tokens = st.none() | st.fixed_dictionaries(
    {
        "scopes": st.lists(st.sampled_from(Permission.values), unique=True),
        "project": st.sampled_from([None, "harbor", "island"]),
        "expired": st.booleans(),
        "revoked": st.booleans(),
    }
)


@contextmanager
def undone():
    """A bare savepoint: actions are durable, so they refuse to run inside another atomic block."""
    savepoint = transaction.savepoint()
    try:
        yield
    finally:
        transaction.savepoint_rollback(savepoint)


def place(text):
    project, _, environment = text.partition("/")
    return (
        Environment.objects.get(project__slug=project, slug=environment)
        if environment
        else Project.objects.get(slug=project)
    )


def give(user, given_roles):
    for where, role in given_roles:
        actions.set_membership(place(where), user, role, actor=SYSTEM)


def token_of(user, wanted):
    now = timezone.now()
    return Token.objects.create(
        user=user,
        name="t",
        kid="kid",
        secret_hash="",
        scopes=wanted["scopes"],
        project=Project.objects.get(slug=wanted["project"]) if wanted["project"] else None,
        expires_at=now - timedelta(days=1) if wanted["expired"] else now + timedelta(days=1),
        revoked_at=now if wanted["revoked"] else None,
    )


@each_example_rolls_back
@given(roles=grants, token=tokens, active=st.booleans(), superuser=st.booleans())
def test_a_list_holds_exactly_what_is_allowed_one_by_one(cast, roles, token, active, superuser):
    with undone():
        user = User.objects.create(username="somebody", is_active=active, is_superuser=superuser)
        give(user, roles)
        actor = remembering(Actor.of_token(token_of(user, token)) if token else Actor.of_user(user))

        for permission in Permission:
            for rows in (Environment.objects.all(), Project.objects.all(), AgentKey.objects.all()):
                allowed = {row.pk for row in rows if decide(actor, permission, row).allow}
                assert sorted(scope(rows, actor, permission).values_list("pk", flat=True)) == sorted(allowed)


@each_example_rolls_back
@given(roles=grants, token=tokens)
def test_a_token_never_widens_what_its_person_may(cast, roles, token):
    with undone():
        user = User.objects.create(username="somebody")
        give(user, roles)
        narrow = token or {"scopes": [], "project": None, "expired": 0, "revoked": 0}
        person, bearer = remembering(Actor.of_user(user)), remembering(Actor.of_token(token_of(user, narrow)))

        for permission in Permission:
            for row in Environment.objects.all():
                assert decide(person, permission, row).allow or not decide(bearer, permission, row).allow


@each_example_rolls_back
@given(roles=grants)
def test_guardians_rows_are_what_memberships_say(cast, roles):
    with undone():
        user = User.objects.create(username="somebody")
        give(user, roles)

        expected = {
            (one.user_id, one.environment or one.project, permission.value)
            for one in Membership.objects.select_related("project", "environment")
            for permission in ROLE_PERMISSIONS[Role(one.role)]
        }
        rows = [
            (row.user_id, row.content_object, row.permission)
            for model in (ProjectUserObjectPermission, EnvironmentUserObjectPermission)
            for row in model.objects.select_related("content_object", "permission__content_type")
        ]
        assert {(user, where, permission.codename) for user, where, permission in rows} == expected
        assert len(rows) == len(expected)
        assert all(permission.content_type.model == where._meta.model_name for _, where, permission in rows)


def test_an_admin_makes_no_owners(cast):
    with pytest.raises(actions.ValidationError, match="Only an owner"):
        actions.set_membership(cast.harbor, cast.user("vera"), Role.OWNER, actor=cast.actor("adam"))
    with pytest.raises(actions.ValidationError, match="Only an owner"):
        actions.set_membership(cast.harbor, cast.user("olive"), Role.VIEWER, actor=cast.actor("adam"))

    actions.set_membership(cast.harbor, cast.user("vera"), Role.OWNER, actor=cast.actor("olive"))
    assert decide(cast.actor("vera"), Permission.VIEW_AUDIT, cast.production).allow


def test_a_role_taken_away_ends_at_once(cast):
    actor = cast.actor("oscar")
    assert decide(actor, Permission.RETRY, cast.production).allow

    actions.set_membership(cast.harbor, cast.user("oscar"), None, actor=cast.actor("adam"))

    assert not decide(actor, Permission.RETRY, cast.production).visible


def test_a_decision_costs_few_queries_and_a_list_no_more(cast, django_assert_max_num_queries):
    environment = Environment.objects.select_related("project").get(pk=cast.production.pk)
    with django_assert_max_num_queries(3):
        decide(cast.actor("oscar"), Permission.RETRY, environment)
    with django_assert_max_num_queries(3):
        list(scope(AgentKey.objects.all(), cast.actor("oscar")))

"""Grants and denials: one rule, whether it is asked about one thing or about all of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import rows
from tests.rbac.test_access import undone
from z4j_brain.agents.models import AgentKey
from z4j_brain.fleet.models import Queue
from z4j_brain.ledger.models import Entry
from z4j_brain.rbac import access, actions, globs, granting, groups
from z4j_brain.rbac.access import decide, scope
from z4j_brain.rbac.actor import SYSTEM, Actor
from z4j_brain.rbac.granted import Grant, Group, GroupMember
from z4j_brain.rbac.models import Environment, Project, Token, User
from z4j_brain.rbac.states import Effect, MemberSource, Permission, Role
from z4j_brain.tasks.models import Task

pytestmark = pytest.mark.django_db
each_example_rolls_back = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

PLACES = ["harbor", "island", "harbor/production", "harbor/staging", "island/production"]
QUEUES = ["emails", "Emails", "emails.eu", ""]
NAMES = ["shop.pay", "shop.pay.card", "shop.Pay", "shop_pay", ""]
GLOBS = ["", "*", "**", "emails", "e*s", "emails*", "shop.*", "shop.**", "*.pay", "shop.pay", "s?op.pay", "[a-z]*"]

given_grants = st.lists(
    st.fixed_dictionaries(
        {
            "place": st.sampled_from(PLACES),
            "what": st.sampled_from([*Role, Permission.VIEW, Permission.RETRY, Permission.VIEW_PAYLOAD]),
            "effect": st.sampled_from(Effect),
            "queue_glob": st.sampled_from(GLOBS),
            "task_glob": st.sampled_from(GLOBS),
            "expired": st.booleans(),
            "to_group": st.booleans(),
        }
    ),
    max_size=5,
)
roles = st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(Role)), max_size=2)
ASKED = [Permission.VIEW, Permission.VIEW_PAYLOAD, Permission.RETRY, Permission.MANAGE_AGENTS]


def place(text):
    project, _, environment = text.partition("/")
    found = Environment.objects.filter(project__slug=project, slug=environment) if environment else None
    return found.get() if found is not None else Project.objects.get(slug=project)


def save(user, wanted):
    where = place(wanted["place"])
    group, _ = Group.objects.get_or_create(name="those")
    what, now = wanted["what"], timezone.now()
    return Grant.objects.create(
        user=None if wanted["to_group"] else user,
        group=group if wanted["to_group"] else None,
        project=where if isinstance(where, Project) else where.project,
        environment=where if isinstance(where, Environment) else None,
        role=what if isinstance(what, Role) else "",
        permission=what if isinstance(what, Permission) else "",
        effect=wanted["effect"],
        queue_glob=wanted["queue_glob"],
        task_glob=wanted["task_glob"],
        expires_at=now - timedelta(seconds=1) if wanted["expired"] else None,
    )


@pytest.fixture
def furnished(cast):
    for environment in cast.places.values():
        for queue in QUEUES:
            for name in NAMES:
                rows.task(environment, task_id=f"{queue}/{name}", queue=queue, name=name)
            rows.queue(environment, name=queue)
    return cast


def somebody(given_roles, wanted):
    user = User.objects.create(username="somebody")
    for where, role in given_roles:
        actions.set_membership(place(where), user, role, actor=SYSTEM)
    group, _ = Group.objects.get_or_create(name="those")
    GroupMember.objects.create(group=group, user=user)
    for one in wanted:
        save(user, one)
    return user


def allowed(actor, permission):
    """Everything that the oracle lets the actor do this to."""
    found = set()
    for model in (Environment, Project, AgentKey, Task, Queue):
        related = ["environment__project"] if model in (AgentKey, Task, Queue) else []
        for row in model.objects.select_related(*related):
            if decide(actor, permission, row).allow:
                found.add((model.__name__, row.pk))
    return found


def listed(actor, permission):
    return {
        (model.__name__, pk)
        for model in (Environment, Project, AgentKey, Task, Queue)
        for pk in scope(model.objects.all(), actor, permission).values_list("pk", flat=True)
    }


@each_example_rolls_back
@given(given_roles=roles, wanted=given_grants, permission=st.sampled_from(ASKED))
def test_a_list_holds_exactly_what_is_allowed_one_by_one(furnished, given_roles, wanted, permission):
    with undone():
        user = somebody(given_roles, wanted)
        actor = Actor("user", "", "", user, known={})  # as in one request, or the oracle asks for ever

        assert listed(Actor.of_user(user), permission) == allowed(actor, permission)


@each_example_rolls_back
@given(given_roles=roles, wanted=given_grants, more=given_grants, permission=st.sampled_from(ASKED))
def test_a_denial_never_adds_anything(furnished, given_roles, wanted, more, permission):
    with undone():
        user = somebody(given_roles, wanted)
        before = listed(Actor.of_user(user), permission)
        for one in more:
            save(user, one | {"effect": Effect.DENY})

        gained = listed(Actor.of_user(user), permission) - before

        # Where less is seen, payload may be of all that is: of a list it is shown in every row or in none.
        assert not {row for row in gained if permission != Permission.VIEW_PAYLOAD or row[0] in ("Task", "Queue")}


@pytest.mark.parametrize(
    ("glob", "yes", "no"),
    [
        ("shop.*", ["shop.pay", "shop."], ["shop.pay.card", "shop", "SHOP.pay", "xshop.pay"]),
        ("shop.**", ["shop.pay", "shop.pay.card"], ["shop", "shopping.pay"]),
        ("*.pay", ["shop.pay"], ["a.shop.pay", "shop.pay.x"]),
        ("a.b", ["a.b"], ["axb", "a.b\n"]),
        ("näme.*", ["näme.x"], ["NÄME.x"]),
        ("[a-z]", ["[a-z]"], ["a"]),
        ("**", ["", "a\nb", "a.b"], []),
        ("a|b", ["a|b"], ["a", "b"]),
        ("\\d$^_%", ["\\d$^_%"], ["1"]),
    ],
)
def test_a_pattern_is_anchored_and_only_stars_are_special(cast, glob, yes, no):
    for name in [*yes, *no]:
        rows.task(cast.production, task_id=repr(name), name=name)
    pattern = globs.pattern(glob, dotted=True)

    assert set(Task.objects.filter(name__regex=pattern).values_list("name", flat=True)) == set(yes)
    assert [name for name in [*yes, *no] if globs.fits(glob, name, dotted=True)] == yes


@pytest.mark.parametrize("glob", ["a***b", "*a*a*a*a*a*a*a*a*a", "a\x00b"])
def test_what_is_no_pattern_is_refused(cast, glob):
    with pytest.raises(actions.ValidationError):
        granting.give(cast.production, cast.user("vera"), Permission.RETRY, queue_glob=glob, actor=cast.actor("olive"))


def test_nobody_gives_what_they_do_not_have(cast):
    adam, vera = cast.actor("adam"), cast.user("vera")
    granting.give(cast.production, vera, Permission.RETRY, queue_glob="emails", actor=adam)
    for what in (Role.OWNER, Role.ADMIN, Role.AUDITOR, Permission.VIEW_AUDIT, Permission.PURGE, Permission.BREAK_GLASS):
        with pytest.raises(actions.ValidationError):
            granting.give(cast.production, vera, what, actor=adam)
    with pytest.raises(actions.ValidationError, match="owner is denied nothing"):
        granting.give(cast.production, cast.user("olive"), Permission.VIEW, effect=Effect.DENY, actor=SYSTEM)

    # Who has a right for some queues only does not pass it on for all of them, nor lifts their own denial.
    granting.give(cast.harbor, vera, Permission.MANAGE_MEMBERS, actor=cast.actor("olive"))
    with pytest.raises(actions.ValidationError, match="cannot give"):
        granting.give(cast.production, cast.user("stan"), Permission.RETRY, actor=cast.actor("vera"))
    own = granting.give(cast.production, vera, Permission.CANCEL, effect=Effect.DENY, actor=cast.actor("olive"))
    with pytest.raises(actions.ValidationError, match="cannot give"):
        granting.revoke(own, actor=cast.actor("vera"))


def test_a_grant_ends_when_its_time_is_over_or_it_is_taken_back(cast):
    actor, olive = cast.actor("stan"), cast.actor("olive")
    grant = granting.give(cast.staging, cast.user("stan"), Role.VIEWER, actor=olive)
    assert decide(actor, Permission.VIEW, cast.staging).allow
    assert not decide(actor, Permission.VIEW, cast.production).visible

    granting.revoke(grant, actor=olive)
    assert not decide(actor, Permission.VIEW, cast.staging).visible

    hour = timezone.now() + timedelta(hours=1)
    grant = granting.give(cast.staging, cast.user("stan"), Role.VIEWER, expires_at=hour, actor=olive)
    assert decide(actor, Permission.VIEW, cast.staging).allow
    Grant.objects.filter(pk=grant.pk).update(expires_at=timezone.now())
    assert not decide(actor, Permission.VIEW, cast.staging).visible


def test_the_policy_of_a_list_of_a_hundred_costs_three_queries(cast, django_assert_num_queries):
    for number in range(100):
        rows.task(cast.production, task_id=str(number), queue="emails" if number % 2 else "pay")
    granting.give(
        cast.production, cast.user("oscar"), Role.OPERATOR, effect=Effect.DENY, queue_glob="pay", actor=SYSTEM
    )
    environment = Environment.objects.select_related("project").get(pk=cast.production.pk)

    with django_assert_num_queries(3):
        held = access.permissions(cast.actor("oscar"), environment)
    with django_assert_num_queries(1):
        found = list(Task.objects.filter(held.condition(Task.FACETS), environment=environment))
    with django_assert_num_queries(0):
        assert all(held.covers(Permission.RETRY, access.facets_of(task)) for task in found)
    assert {task.queue for task in found} == {"emails"}


def test_the_claims_of_a_sign_in_decide_over_its_groups_and_nothing_else(cast):
    user = cast.user("vera")
    made = {name: Group.objects.create(name=name, claim=f"/{name}") for name in ("ops", "dev", "hr")}
    by_hand = Group.objects.create(name="by hand")
    GroupMember.objects.create(group=by_hand, user=user)
    granting.give(cast.island, made["ops"], Role.OPERATOR, actor=SYSTEM)
    entries = ledger_size()

    assert groups.from_claims(user, {"groups": ["/ops", "/dev", "/nobody's", 7, ""], "email": "x"}) == ["dev", "ops"]
    assert groups.from_claims(user, {"groups": ["/dev", "/ops"]}) == ["dev", "ops"]
    assert ledger_size() == entries + 1
    assert decide(cast.actor("vera"), Permission.RETRY, cast.island).allow

    assert groups.from_claims(user, {"roles": "/dev"}) == ["dev"]
    assert not decide(cast.actor("vera"), Permission.VIEW, cast.island).visible
    sources = GroupMember.objects.filter(user=user).values_list("group__name", "source")
    assert set(sources) == {("by hand", MemberSource.MANUAL), ("dev", MemberSource.OIDC)}


def ledger_size():
    return Entry.objects.count()


def test_a_service_token_holds_its_scopes_and_no_person(cast):
    token = Token.objects.create(
        name="ci",
        kid="kid",
        secret_hash="",
        project=cast.harbor,
        environment=cast.staging,
        scopes=[Permission.VIEW, Permission.MANAGE_MEMBERS, Permission.APPROVE],
        expires_at=timezone.now() + timedelta(days=1),
    )
    actor = Actor.of_token(token)

    assert decide(actor, Permission.VIEW, cast.staging).allow
    assert not decide(actor, Permission.VIEW, cast.production).visible
    assert not decide(actor, Permission.RETRY, cast.staging).allow
    for never in (Permission.MANAGE_MEMBERS, Permission.APPROVE):
        assert not decide(actor, never, cast.staging).allow
    assert list(scope(Environment.objects.all(), actor)) == [cast.staging]

    granting.give(cast.staging, token, Permission.RETRY, task_glob="shop.**", actor=cast.actor("adam"))
    assert decide(actor, Permission.RETRY, cast.staging, task="shop.pay").allow
    assert not decide(actor, Permission.RETRY, cast.staging, task="other").allow

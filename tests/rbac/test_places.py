"""Projects and environments are made on the brain's own machine: by name, recorded, and with a sentence where not."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from z4j_brain.ledger.models import Entry
from z4j_brain.rbac.models import Environment, Membership, Project
from z4j_brain.rbac.states import EnvironmentKind, Role


@pytest.fixture
def told(capsys):
    def told(*arguments):
        call_command(*arguments)
        return capsys.readouterr().out.strip()

    return told


def test_a_project_is_made_with_its_owner_and_then_its_environments(cast, told):
    assert told("project", "create", "quay", "--owner", "vera", "--name", "The quay") == "quay"
    assert told("environment", "create", "quay/live") == "quay/live"
    assert told("environment", "create", "quay/try", "--name", "Trials", "--kind", "staging") == "quay/try"

    project = Project.objects.get(slug="quay")
    assert (project.name, Membership.objects.get(project=project).role) == ("The quay", Role.OWNER)
    made = project.environments.values_list("slug", "name", "kind")
    assert set(made) == {("live", "Live", EnvironmentKind.PRODUCTION), ("try", "Trials", EnvironmentKind.STAGING)}
    actions = Entry.objects.order_by("id").values_list("action", "outcome", "actor_type")
    assert list(actions)[-3:] == [
        ("project.create", "allowed", "system"),
        ("environment.create", "allowed", "system"),
        ("environment.create", "allowed", "system"),
    ]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["project", "create", "quay", "--owner", "nobody"], "There is no user nobody"),
        (["project", "create", "harbor", "--owner", "vera"], "already exists"),
        (["project", "create", "api", "--owner", "vera"], "api is an address of the brain itself"),
        (["environment", "create", "quay/live"], "There is no project quay: z4j project create"),
        (["environment", "create", "harbor/production"], "already exists"),
        (["environment", "create", "harbor/"], "cannot be blank"),
        (["environment", "create", "harbor/a b"], "valid “slug”"),
    ],
)
def test_what_cannot_be_made_is_said_and_nothing_is(cast, arguments, why):
    before = Project.objects.count(), Environment.objects.count()
    with pytest.raises(CommandError, match=why):
        call_command(*arguments)
    assert (Project.objects.count(), Environment.objects.count()) == before

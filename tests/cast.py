"""The people and places of every test. Run as a module, it puts them into a brain's database and prints their keys.

Project harbor (production, staging): olive owns it, adam administers, oscar operates, vera views, audrey audits.
Project island (production): stan owns it, and is a stranger in harbor; so is everybody of harbor on island.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

import django
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone
from z4j_core import dsn

if __name__ == "__main__":
    django.setup()

from allauth.account.internal.flows.login import record_authentication  # noqa: E402

from z4j_brain.agents.models import AgentKey  # noqa: E402
from z4j_brain.rbac import guardian_rows  # noqa: E402
from z4j_brain.rbac.actor import Actor  # noqa: E402
from z4j_brain.rbac.authentication import new_token  # noqa: E402
from z4j_brain.rbac.models import ApprovalPolicy, Environment, Membership, Project, Setup, Token, User  # noqa: E402
from z4j_brain.rbac.states import EnvironmentKind, Permission, Role  # noqa: E402

PASSWORD = "correct horse battery"
ROLES = {
    "olive": ("harbor", Role.OWNER),
    "adam": ("harbor", Role.ADMIN),
    "oscar": ("harbor", Role.OPERATOR),
    "vera": ("harbor", Role.VIEWER),
    "audrey": ("harbor", Role.AUDITOR),
    "stan": ("island", Role.OWNER),
}
PLACES = [("harbor", "production"), ("harbor", "staging"), ("island", "production")]


@dataclass
class Cast:
    users: dict[str, User] = field(default_factory=dict)
    places: dict[tuple[str, str], Environment] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    agent_keys: dict[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def create(cls) -> Cast:
        cast = cls()
        for project, environment in PLACES:
            cast._place(project, environment)
        for name, (project, role) in ROLES.items():
            cast._person(name, Project.objects.get(slug=project), role)
        Setup.objects.create(done_at=timezone.now())
        return cast

    @property
    def production(self) -> Environment:
        return self.places["harbor", "production"]

    @property
    def staging(self) -> Environment:
        return self.places["harbor", "staging"]

    @property
    def island(self) -> Environment:
        return self.places["island", "production"]

    @property
    def harbor(self) -> Project:
        return self.production.project

    def user(self, name: str) -> User:
        return self.users[name]

    def actor(self, name: str) -> Actor:
        """Somebody who has just signed in with their password."""
        return Actor.of_user(self.users[name], proofs={"password": int(time.time())})

    def sign_in(self, client: Client, name: str) -> Client:
        """The client as somebody who has just signed in with their password, as far as their session tells."""
        client.force_login(self.users[name], backend="django.contrib.auth.backends.ModelBackend")
        request = HttpRequest()
        request.session = client.session
        record_authentication(request, self.users[name], "password")
        request.session.save()
        return client

    def bearer(self, name: str) -> dict[str, str]:
        """Headers for Django's test client: the person's token with all scopes."""
        return {"HTTP_AUTHORIZATION": f"Bearer {self.tokens[name]}"}

    def agent_key(self, project: str = "harbor", environment: str = "production") -> AgentKey:
        return AgentKey.objects.get(kid=self.agent_keys[f"{project}/{environment}"][0])

    def agent_bearer(self, project: str = "harbor", environment: str = "production") -> str:
        return dsn.bearer(*self.agent_keys[f"{project}/{environment}"])

    def token(self, who: str, *, days: int = 90, **fields: Any) -> Token:
        """A new token with these columns, under which `who` is known from here on."""
        kid, secret_hash, self.tokens[who] = new_token()
        expires_at = timezone.now() + timedelta(days=days)
        return Token.objects.create(kid=kid, secret_hash=secret_hash, expires_at=expires_at, **fields)

    def _place(self, project_slug: str, slug: str) -> None:
        project, _ = Project.objects.get_or_create(slug=project_slug, defaults={"name": project_slug.title()})
        kind = EnvironmentKind(slug)
        environment = Environment.objects.create(project=project, slug=slug, name=slug.title(), kind=kind)
        # What takes a second person, a test says itself: else each test of a purge would be one of approvals.
        ApprovalPolicy.objects.create(environment=environment)
        kid, secret = (
            hashlib.sha256(f"{project_slug}/{slug}".encode()).hexdigest()[:12],
            f"secret-of-{project_slug}-{slug}",
        )
        AgentKey.objects.create(
            environment=environment,
            name="workers",
            kid=kid,
            bearer_hash=hashlib.sha256(dsn.bearer(kid, secret).encode()).hexdigest(),
            expires_at=timezone.now() + timedelta(days=180),
        )
        self.agent_keys[f"{project_slug}/{slug}"] = (kid, secret)
        self.places[project_slug, slug] = environment

    def _person(self, name: str, project: Project, role: Role) -> None:
        user = User.objects.create(username=name, email=f"{name}@example.com", password=hashed(PASSWORD))
        Membership.objects.create(user=user, project=project, role=role)
        guardian_rows.rewrite(user, project)
        self.users[name] = user
        self.token(name, user=user, name="all", scopes=Permission.values)


@cache
def hashed(password: str) -> str:
    return make_password(password)


if __name__ == "__main__":
    made = Cast.create()
    environments = {f"{project}/{slug}": row.pk for (project, slug), row in made.places.items()}
    keys = {"tokens": made.tokens, "agent_keys": made.agent_keys, "password": PASSWORD, "environments": environments}
    json.dump(keys, sys.stdout)

"""People, tokens, and the tenancy: projects, their environments, and who belongs to them."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models
from guardian.models import UserObjectPermissionBase

from z4j_brain.lib.ids import uuid7
from z4j_brain.rbac.states import EnvironmentKind, Permission, Role


class User(AbstractUser):
    """A person who signs in. The id is opaque: the ledger keeps it after the person is erased."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)


class Project(models.Model):
    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=128)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["slug"]
        default_permissions = ()
        permissions = [(permission.value, permission.label) for permission in Permission]

    def __str__(self) -> str:
        return self.slug


class Environment(models.Model):
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="environments")
    slug = models.SlugField(max_length=64)
    name = models.CharField(max_length=128)
    kind = models.CharField(max_length=16, choices=EnvironmentKind.choices, default=EnvironmentKind.PRODUCTION)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["project_id", "slug"]
        default_permissions = ()
        permissions = [(permission.value, permission.label) for permission in Permission]
        constraints = [models.UniqueConstraint(fields=["project", "slug"], name="environment_slug")]

    def __str__(self) -> str:
        return f"{self.project.slug}/{self.slug}"


class Membership(models.Model):
    """A role in a whole project, or in one of its environments. The source of guardian's rows."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, null=True, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "project", "environment"], name="membership_once", nulls_distinct=False
            ),
        ]


class ProjectUserObjectPermission(UserObjectPermissionBase):
    content_object = models.ForeignKey(Project, on_delete=models.CASCADE)


class EnvironmentUserObjectPermission(UserObjectPermissionBase):
    content_object = models.ForeignKey(Environment, on_delete=models.CASCADE)


class Token(models.Model):
    """An API token of a person: never more than the person may do, and only within its scopes."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=128)
    kid = models.CharField(max_length=16, unique=True)
    secret_hash = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

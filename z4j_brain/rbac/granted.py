"""Who is given what beside a membership: groups, grants and denials, and invitations."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from django.db import models
from django.utils import timezone

from z4j_brain.lib.ids import uuid7
from z4j_brain.rbac.models import Environment, Project, Token, User
from z4j_brain.rbac.states import ROLE_PERMISSIONS, Effect, MemberSource, Permission, Role

MOST_GLOB = 200


class Group(models.Model):
    """People of one instance who are given roles together. `claim`: the value of a sign-in's claim whose holders are
    in it; those who were added by hand stay whatever a sign-in says.
    """

    name = models.CharField(max_length=64, unique=True)
    claim = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["claim"], condition=~models.Q(claim=""), name="group_of_claim"),
        ]

    def __str__(self) -> str:
        return self.name


class GroupMember(models.Model):
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="group_memberships")
    source = models.CharField(max_length=8, choices=MemberSource.choices, default=MemberSource.MANUAL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["group", "user", "source"], name="group_member_once")]


class Grant(models.Model):
    """A role or one permission that somebody is allowed or denied beside their membership: in a project, or one of its
    environments, or only for the queues and the task names there that match.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="grants")
    group = models.ForeignKey(Group, on_delete=models.CASCADE, null=True, related_name="grants")
    token = models.ForeignKey(Token, on_delete=models.CASCADE, null=True, related_name="grants")
    role = models.CharField(max_length=16, choices=Role.choices, blank=True)
    permission = models.CharField(max_length=32, choices=Permission.choices, blank=True)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="grants")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, null=True, related_name="grants")
    queue_glob = models.CharField(max_length=MOST_GLOB, blank=True)
    task_glob = models.CharField(max_length=MOST_GLOB, blank=True)
    effect = models.CharField(max_length=8, choices=Effect.choices, default=Effect.ALLOW)
    expires_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=500, blank=True)
    granted_by = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["created_at"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=models.Q(user__isnull=False, group=None, token=None)
                | models.Q(user=None, group__isnull=False, token=None)
                | models.Q(user=None, group=None, token__isnull=False),
                name="grant_one_subject",
            ),
            models.CheckConstraint(
                condition=models.Q(role="") ^ models.Q(permission=""), name="grant_role_or_permission"
            ),
        ]

    @staticmethod
    def in_force() -> models.Q:
        """Those that have not expired."""
        return models.Q(expires_at=None) | models.Q(expires_at__gt=timezone.now())

    @property
    def subject(self) -> User | Group | Token:
        found = self.user or self.group or self.token
        assert found is not None  # noqa: S101 (a constraint of the table says so)
        return found

    @property
    def permissions(self) -> frozenset[Permission]:
        return ROLE_PERMISSIONS[Role(self.role)] if self.role else frozenset({Permission(self.permission)})

    @property
    def is_narrow(self) -> bool:
        return bool(self.queue_glob or self.task_glob)


class Invitation(models.Model):
    """A role for whoever opens its one-time link in time. `sent_to`: for whom it was meant, as the inviter wrote it.
    `is_new_account`: whoever accepted it had none before.
    """

    LIFE = timedelta(days=7)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="invitations")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, null=True, related_name="invitations")
    sent_to = models.CharField(max_length=254)
    role = models.CharField(max_length=16, choices=Role.choices)
    link_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    is_new_account = models.BooleanField(default=False)
    revoked_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()

    @property
    def is_open(self) -> bool:
        return self.accepted_at is None and self.revoked_at is None and self.expires_at > timezone.now()

    @staticmethod
    def digest(link: str) -> str:
        """What is kept of the secret of its link."""
        return hashlib.sha256(link.encode(errors="replace")).hexdigest()

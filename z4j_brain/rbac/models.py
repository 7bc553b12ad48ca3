"""People, tokens, and the tenancy: projects, their environments, and who belongs to them."""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from guardian.models import UserObjectPermissionBase

from z4j_brain.lib import linktemplate
from z4j_brain.lib.ids import uuid7
from z4j_brain.rbac.states import ApprovalState, EnvironmentKind, Permission, Role

SETUP_LINK_LIFE = timedelta(minutes=15)
MOST_DAYS = 3650
_DAYS = (MinValueValidator(1), MaxValueValidator(MOST_DAYS))


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
    """A place of its own within a project; `..._days` say how long housekeeping keeps what belongs to it."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="environments")
    slug = models.SlugField(max_length=64)
    name = models.CharField(max_length=128)
    kind = models.CharField(max_length=16, choices=EnvironmentKind.choices, default=EnvironmentKind.PRODUCTION)
    tasks_days = models.PositiveSmallIntegerField(default=30, validators=_DAYS)
    events_days = models.PositiveSmallIntegerField(default=14, validators=_DAYS)
    rollups_days = models.PositiveSmallIntegerField(default=400, validators=_DAYS)
    operations_days = models.PositiveSmallIntegerField(default=400, validators=_DAYS)
    search_arguments = models.BooleanField(default=False)
    reason_required = models.BooleanField(default=False)
    trace_link = models.CharField(max_length=linktemplate.LONGEST, blank=True, default="", db_default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["project_id", "slug"]
        default_permissions = ()
        permissions = [(permission.value, permission.label) for permission in Permission]
        constraints = [models.UniqueConstraint(fields=["project", "slug"], name="environment_slug")]

    def __str__(self) -> str:
        return f"{self.project.slug}/{self.slug}"

    def clean(self) -> None:
        """A late event is folded from all events of its task, and changes the statistics its task is counted in."""
        faults = {}
        if self.events_days > self.tasks_days:
            faults["events_days"] = gettext("Events go with their task at the latest: at most %(n)s days.") % {
                "n": self.tasks_days
            }
        if self.rollups_days < self.tasks_days:
            faults["rollups_days"] = gettext("Statistics stay at least as long as tasks: at least %(n)s days.") % {
                "n": self.tasks_days
            }
        if self.trace_link and (fault := linktemplate.fault(self.trace_link, settings.Z4J_PRIVATE_HOSTS)):
            faults["trace_link"] = fault
        if faults:
            raise ValidationError(faults)


class Sweep(models.Model):
    """How far housekeeping has come, in one environment, with forgetting one kind of what is past its days.

    `horizon`: what is older may be gone; it never goes back. `done`: what is older is gone. `low`: nothing of the kind
    is left up to this mark, and a run begins there; `cursor`: the mark up to which the run at hand has looked.
    """

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="sweeps")
    kind = models.CharField(max_length=32)
    horizon = models.DateField(null=True)
    done = models.DateField(null=True)
    low = models.CharField(max_length=64, blank=True)
    cursor = models.CharField(max_length=64, blank=True)
    removed = models.BigIntegerField(default=0)
    began_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(default=timezone.now)
    leased_until = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["environment", "kind"], name="sweep_once")]

    @property
    def is_running(self) -> bool:
        return self.began_at is not None and self.ended_at is None


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
                fields=["user", "project"], condition=models.Q(environment=None), name="membership_of_project"
            ),
            models.UniqueConstraint(fields=["user", "environment"], name="membership_of_environment"),
        ]


class ProjectUserObjectPermission(UserObjectPermissionBase):
    content_object = models.ForeignKey(Project, on_delete=models.CASCADE)


class EnvironmentUserObjectPermission(UserObjectPermissionBase):
    content_object = models.ForeignKey(Environment, on_delete=models.CASCADE)


class Token(models.Model):
    """An API token. Of a person: never more than the person may do, and only within its scopes. Without a person it is
    a service token of its project: its scopes are all it holds, there or in the one environment.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="tokens")
    name = models.CharField(max_length=128)
    kid = models.CharField(max_length=16, unique=True)
    secret_hash = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, null=True, related_name="+")
    minted_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(user__isnull=False) | models.Q(project__isnull=False), name="token_of_somebody"
            )
        ]

    @property
    def is_service(self) -> bool:
        return self.user_id is None

    @property
    def is_in_force(self) -> bool:
        return self.revoked_at is None and self.expires_at > timezone.now()


class Setup(models.Model):
    """The one row that says whether this instance has had its first administrator, and which link may make one."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    link_hash = models.CharField(max_length=64, blank=True)
    link_expires_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="setup_once")]

    @classmethod
    def is_done(cls) -> bool:
        return cls.objects.filter(pk=cls.ONLY, done_at__isnull=False).exists()

    @classmethod
    def is_offered(cls) -> bool:
        """Is there a one-time link in force?"""
        return cls.objects.filter(pk=cls.ONLY, done_at=None, link_expires_at__gt=timezone.now()).exists()

    @classmethod
    def accepts(cls, link: str) -> bool:
        """Is this the one-time link, still in force?"""
        digest = hashlib.sha256(link.encode()).hexdigest()
        open_rows = cls.objects.filter(pk=cls.ONLY, done_at=None, link_expires_at__gt=timezone.now())
        return bool(link) and open_rows.filter(link_hash=digest).exists()


class ApprovalPolicy(models.Model):
    """What in an environment takes a second person. Where there is no row, the defaults of its kind hold.

    `rules`: an action, or `*` for any, and how many targets it may have without one. `minutes`: how long a request
    waits. `requests`: whoever lacks the right to purge or to restart may still ask for it.
    """

    environment = models.OneToOneField(
        Environment, on_delete=models.CASCADE, primary_key=True, related_name="approval_policy"
    )
    rules = models.JSONField(default=dict)
    minutes = models.PositiveSmallIntegerField(default=15, validators=(MinValueValidator(1), MaxValueValidator(1440)))
    approvers = models.PositiveSmallIntegerField(default=1, validators=(MinValueValidator(1), MaxValueValidator(2)))
    requests = models.BooleanField(default=False)

    class Meta:
        default_permissions = ()


class Approval(models.Model):
    """One request that takes somebody else's yes, and what became of it. `digest` is over all that would be done.

    `people`: the ids of everybody behind whoever asked. `given`: who has said yes so far, each with id, name and time.
    `by_owners`: only owners answer it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="approvals")
    action = models.CharField(max_length=64)
    rule = models.CharField(max_length=64)
    target_type = models.CharField(max_length=32)
    target_id = models.CharField(max_length=64)
    total = models.PositiveIntegerField(default=0)
    digest = models.CharField(max_length=64)
    request = models.JSONField(default=dict)
    requester_type = models.CharField(max_length=16)
    requester_id = models.CharField(max_length=64)
    requester_name = models.CharField(max_length=255)
    people = models.JSONField(default=list)
    reason = models.CharField(max_length=500, blank=True)
    needed = models.PositiveSmallIntegerField(default=1)
    by_owners = models.BooleanField(default=False)
    given = models.JSONField(default=list)
    state = models.CharField(max_length=16, choices=ApprovalState.choices, default=ApprovalState.PENDING)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=64, blank=True)
    decided_name = models.CharField(max_length=255, blank=True)
    decided_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["environment", "-id"], name="approval_list"),
            models.Index(fields=["state", "expires_at"], name="approval_due"),
            models.Index(fields=["environment", "state", "decided_at"], name="approval_report"),
        ]


class Freeze(models.Model):
    """A time in which nothing, or nothing of some kinds, is to be changed. `actions`: which; none: all.

    `single`: one task may still be retried or cancelled.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="freezes")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=500)
    actions = models.JSONField(default=list)
    single = models.BooleanField(default=False)
    set_by = models.CharField(max_length=64)
    set_by_name = models.CharField(max_length=255)
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    ended_by_name = models.CharField(max_length=255, blank=True)

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["environment", "ends_at"], name="freeze_due")]

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None or self.ends_at <= timezone.now()

    @property
    def is_on(self) -> bool:
        return not self.is_over and self.starts_at <= timezone.now()

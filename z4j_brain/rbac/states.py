"""Permissions, and the roles as sets of them. Roles are not a ladder; only owner contains admin."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy


class Permission(models.TextChoices):
    """What somebody may do in an environment. The value is guardian's codename on Environment."""

    VIEW = "view_metadata", gettext_lazy("see projects, queues, tasks and workers")
    VIEW_PAYLOAD = "view_payload", gettext_lazy("see redacted arguments, results and tracebacks")
    REVEAL = "reveal", gettext_lazy("have sealed originals of tasks revealed to them")
    RETRY = "retry_task", gettext_lazy("retry a task")
    CANCEL = "cancel_task", gettext_lazy("cancel a task")
    RUN = "run_task", gettext_lazy("run a task with arguments of their own")
    MANAGE_OPERATIONS = "manage_operations", gettext_lazy("pause, resume, cancel and take back operations")
    MANAGE_QUEUES = "manage_queues", gettext_lazy("pause and resume queues, move tasks between them")
    PURGE = "purge_queue", gettext_lazy("throw away what waits in a queue")
    MANAGE_WORKERS = "manage_workers", gettext_lazy("restart, stop and resize workers, set limits")
    MANAGE_SCHEDULES = "manage_schedules", gettext_lazy("enable, disable and run schedules")
    EDIT_SCHEDULES = "edit_schedules", gettext_lazy("create, change and delete schedules")
    MANAGE_AGENTS = "manage_agents", gettext_lazy("mint, rotate and revoke agent keys")
    MANAGE_MEMBERS = "manage_members", gettext_lazy("invite, change and remove members")
    MANAGE_PROJECT = "manage_project", gettext_lazy("create and change environments")
    VIEW_AUDIT = "view_audit", gettext_lazy("read the whole audit trail")
    EXPORT_AUDIT = "export_audit", gettext_lazy("take the audit trail out with its proofs")
    ERASE_AUDIT = "erase_audit", gettext_lazy("erase personal data from the audit trail, and prune it")
    APPROVE = "approve_operation", gettext_lazy("approve what others ask for")
    BREAK_GLASS = "break_glass", gettext_lazy("go ahead without an approval in an emergency")
    REQUEST = "request_operation", gettext_lazy("ask for what only others may do, for them to approve")


class InstancePermission(models.TextChoices):
    """What belongs to no project. Never held through a role, never by a token."""

    MANAGE_INSTANCE = "manage_instance", gettext_lazy("create projects and set the instance up")
    MANAGE_OWN_TOKENS = "manage_own_tokens", gettext_lazy("mint and revoke their own API tokens")


class Role(models.TextChoices):
    VIEWER = "viewer", gettext_lazy("Viewer")
    OPERATOR = "operator", gettext_lazy("Operator")
    ADMIN = "admin", gettext_lazy("Admin")
    OWNER = "owner", gettext_lazy("Owner")
    AUDITOR = "auditor", gettext_lazy("Auditor")


_SEE = frozenset({Permission.VIEW, Permission.VIEW_PAYLOAD})
_OPERATE = _SEE | {
    Permission.RETRY,
    Permission.CANCEL,
    Permission.RUN,
    Permission.MANAGE_OPERATIONS,
    Permission.MANAGE_QUEUES,
    Permission.MANAGE_SCHEDULES,
    Permission.REQUEST,
}
_ADMINISTER = _OPERATE | {
    Permission.REVEAL,
    Permission.PURGE,
    Permission.MANAGE_WORKERS,
    Permission.EDIT_SCHEDULES,
    Permission.MANAGE_AGENTS,
    Permission.MANAGE_MEMBERS,
    Permission.MANAGE_PROJECT,
    Permission.APPROVE,
}
_AUDIT = frozenset({Permission.VIEW_AUDIT, Permission.EXPORT_AUDIT})

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: _SEE,
    Role.OPERATOR: _OPERATE,
    Role.ADMIN: _ADMINISTER,
    Role.OWNER: _ADMINISTER | _AUDIT | {Permission.ERASE_AUDIT, Permission.BREAK_GLASS},
    Role.AUDITOR: _AUDIT | {Permission.VIEW},
}


#: What a service token may hold: it never manages people, approves, or erases.
SERVICE_PERMISSIONS = _OPERATE | {Permission.EXPORT_AUDIT}
#: What may be given or denied for some queues and task names only.
NARROWABLE = _OPERATE - {Permission.MANAGE_OPERATIONS} | {Permission.PURGE}
#: What admins, owners and auditors have beyond the rest: given and taken by owners alone.
GUARDED = ROLE_PERMISSIONS[Role.OWNER] - _OPERATE


class Effect(models.TextChoices):
    ALLOW = "allow", gettext_lazy("Allow")
    DENY = "deny", gettext_lazy("Deny")


class MemberSource(models.TextChoices):
    MANUAL = "manual", gettext_lazy("Added by hand")
    OIDC = "oidc", gettext_lazy("From sign-in")


class EnvironmentKind(models.TextChoices):
    PRODUCTION = "production", gettext_lazy("Production")
    STAGING = "staging", gettext_lazy("Staging")
    DEVELOPMENT = "development", gettext_lazy("Development")


class ApprovalState(models.TextChoices):
    """What became of a request for somebody else's yes."""

    PENDING = "pending", gettext_lazy("Waits for approval")
    APPROVED = "approved", gettext_lazy("Approved")
    DONE = "done", gettext_lazy("Approved and done")
    BROKEN = "broken", gettext_lazy("Break-glass")
    REJECTED = "rejected", gettext_lazy("Rejected")
    WITHDRAWN = "withdrawn", gettext_lazy("Withdrawn")
    EXPIRED = "expired", gettext_lazy("Expired")
    VOIDED = "voided", gettext_lazy("Void")

    @property
    def icon(self) -> str:
        """The symbol in static/vendor/lucide/icons.svg."""
        return _APPROVALS[self][0]

    @property
    def hue(self) -> str:
        """The task state that looks like it."""
        return _APPROVALS[self][1]


_APPROVALS = {
    ApprovalState.PENDING: ("hourglass", "scheduled"),
    ApprovalState.APPROVED: ("circle-check", "succeeded"),
    ApprovalState.DONE: ("circle-check", "succeeded"),
    ApprovalState.BROKEN: ("triangle-alert", "failed"),
    ApprovalState.REJECTED: ("ban", "rejected"),
    ApprovalState.WITHDRAWN: ("undo-2", "cancelled"),
    ApprovalState.EXPIRED: ("hourglass", "expired"),
    ApprovalState.VOIDED: ("circle-minus", "rejected"),
}


#: First parts of the brain's own addresses: a project or environment by this name could not be reached.
RESERVED_SLUGS = frozenset(
    {
        "account",
        "agent",
        "agents",
        "api",
        "audit",
        "groups",
        "healthz",
        "invitations",
        "metrics",
        "operations",
        "projects",
        "readyz",
        "schema",
        "set-up",
        "sign-in",
        "sign-out",
        "static",
        "tokens",
        "users",
        "ws",
    }
)

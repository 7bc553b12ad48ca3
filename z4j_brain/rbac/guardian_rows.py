"""Guardian's rows, rewritten from memberships. Actions call it in the transaction that changes the membership."""

from __future__ import annotations

from django.contrib.auth.models import Permission as DjangoPermission
from django.db import connection, transaction
from django.db.models import QuerySet

from z4j_brain.rbac.models import (
    Environment,
    EnvironmentUserObjectPermission,
    Membership,
    Project,
    ProjectUserObjectPermission,
    User,
)
from z4j_brain.rbac.states import ROLE_PERMISSIONS, Role


def rewrite(user: User, place: Project | Environment) -> None:
    """Make guardian's rows of `user` on `place` what the membership there says."""
    if isinstance(place, Project):
        ProjectUserObjectPermission.objects.filter(user=user, content_object=place).delete()
        ProjectUserObjectPermission.objects.bulk_create(
            ProjectUserObjectPermission(user=user, content_object=place, permission=permission)
            for permission in _held(Membership.objects.filter(user=user, project=place, environment=None), "project")
        )
    else:
        EnvironmentUserObjectPermission.objects.filter(user=user, content_object=place).delete()
        EnvironmentUserObjectPermission.objects.bulk_create(
            EnvironmentUserObjectPermission(user=user, content_object=place, permission=permission)
            for permission in _held(Membership.objects.filter(user=user, environment=place), "environment")
        )


def rewrite_all(**_: object) -> None:
    """After a migration: a release may have given a role something new to do."""
    if Membership._meta.db_table not in connection.introspection.table_names():
        return  # only some apps were migrated
    for membership in Membership.objects.select_related("user", "project", "environment"):
        with transaction.atomic():
            rewrite(membership.user, membership.environment or membership.project)


def _held(memberships: QuerySet[Membership], model: str) -> QuerySet[DjangoPermission]:
    held = {permission.value for one in memberships for permission in ROLE_PERMISSIONS[Role(one.role)]}
    return DjangoPermission.objects.filter(content_type__app_label="rbac", content_type__model=model, codename__in=held)

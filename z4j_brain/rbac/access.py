"""The one policy: who may do what where. Panel, API, websocket, exports and counts all ask here.

Default deny. Guardian's rows say what a person may do in a project or an environment; a token narrows that to its
scopes and its project; a disabled person or token may do nothing, looked up afresh each time. What somebody may not
even see does not exist for them: `visible` is false and doors answer 404.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import (
    Environment,
    EnvironmentUserObjectPermission,
    Project,
    ProjectUserObjectPermission,
    Token,
    User,
)
from z4j_brain.rbac.states import InstancePermission, Permission

Row = TypeVar("Row", bound=Model)


class Instance:
    """The target of what concerns no project: making one, setting the instance up."""


INSTANCE = Instance()


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one question. `rule` is stable, for logs and errors; `reason` is a sentence for people."""

    allow: bool
    visible: bool
    rule: str
    reason: str


def decide(actor: Actor, permission: Permission | InstancePermission, target: Any) -> Decision:
    """May `actor` do this to `target`: the instance, a person, a project, an environment, or a row of one?"""
    if actor.type == "system":
        return Decision(True, True, "system", "The brain itself acts.")
    standing = _standing(actor)
    if standing is None:
        return Decision(False, False, "no_standing", "The account or the token is not in force.")
    if isinstance(permission, InstancePermission):
        return _decide_instance(actor, standing, permission, target)
    project, environment = place(target)
    if project is None:
        return Decision(False, False, "no_place", "This belongs to no project.")
    held = _held(actor, standing, project, environment)
    rule = "superuser" if standing.is_superuser else "role"
    visible = Permission.VIEW in held or (environment is None and _sees_part(actor, project))
    if permission in held or (permission == Permission.VIEW and visible):
        return Decision(True, True, rule, f"You may {permission.label}.")
    if actor.token is not None and permission not in actor.token.scopes:
        return Decision(False, visible, "token_scope", f"The token's scopes do not let you {permission.label}.")
    return Decision(False, visible, "role_lacks", f"Your role does not let you {permission.label}.")


def permissions(actor: Actor, target: Any) -> frozenset[Permission]:
    """All that `decide` lets the actor do to the target, in one look: for a page with many buttons."""
    if actor.type == "system":
        return frozenset(Permission)
    standing = _standing(actor)
    project, environment = place(target)
    if standing is None or project is None:
        return frozenset()
    held = _held(actor, standing, project, environment)
    return frozenset(permission for permission in Permission if permission in held)


def audit_scope(actor: Actor, target: Any = INSTANCE) -> Literal["all", "own"]:
    """Which entries of the audit trail the actor reads of this place: all of them, or those of what they did."""
    if not isinstance(target, Instance):
        return "all" if Permission.VIEW_AUDIT in permissions(actor, target) else "own"
    if actor.type == "system":
        return "all"
    standing = _standing(actor)
    administers = standing is not None and actor.token is None and (standing.is_staff or standing.is_superuser)
    return "all" if administers else "own"


def scope(queryset: QuerySet[Row], actor: Actor, permission: Permission = Permission.VIEW) -> QuerySet[Row]:
    """The rows on which `decide` allows `permission`: of Environment, Project, or a model with an environment."""
    if actor.type == "system":
        return queryset
    allowed = environments(actor, permission)
    if queryset.model is Environment:
        return queryset.filter(pk__in=allowed.values("pk"))
    if queryset.model is Project:
        places = Q(pk__in=_projects(actor, permission).values("pk"))
        if permission == Permission.VIEW:
            places |= Q(environments__in=allowed.values("pk"))
        return queryset.filter(pk__in=Project.objects.filter(places).values("pk"))
    return queryset.filter(environment__in=allowed.values("pk"))


def environments(actor: Actor, permission: Permission = Permission.VIEW) -> QuerySet[Environment]:
    """The environments in which the actor holds the permission."""
    rows = EnvironmentUserObjectPermission.objects.filter(
        user=actor.user, user__is_active=True, permission__codename=permission.value
    )
    found = Environment.objects.select_related("project")
    return _narrowed(
        actor,
        found,
        permission,
        Q(pk__in=rows.values("content_object")) | Q(project__in=_project_rows(actor, permission)),
        "project",
    )


def place(target: Any) -> tuple[Project | None, Environment | None]:
    """The project and the environment that a target belongs to."""
    if isinstance(target, Project):
        return target, None
    environment = target if isinstance(target, Environment) else getattr(target, "environment", None)
    if isinstance(environment, Environment):
        return environment.project, environment
    project = getattr(target, "project", None)
    return (project, None) if isinstance(project, Project) else (None, None)


def _standing(actor: Actor) -> User | None:
    """The person behind the actor as the database knows them now; None when they, or their token, are out of force."""
    if actor.user is None:
        return None
    if actor.token is not None:
        now = timezone.now()
        in_force = Token.objects.filter(pk=actor.token.pk, user__is_active=True, revoked_at=None, expires_at__gt=now)
        token = in_force.select_related("user").first()
        return token.user if token else None
    return User.objects.filter(pk=actor.user.pk, is_active=True).first()


def _decide_instance(actor: Actor, standing: User, permission: InstancePermission, target: Any) -> Decision:
    if actor.token is not None:
        return Decision(False, True, "token_never", "No token may do this: sign in.")
    if permission == InstancePermission.MANAGE_OWN_TOKENS:
        owner = target.user_id if isinstance(target, Token) else getattr(target, "pk", None)
        own = owner == standing.pk
        return Decision(own, own, "own" if own else "not_own", "Tokens are managed by their owner alone.")
    allow = standing.is_staff or standing.is_superuser
    return Decision(allow, True, "instance", f"Only an instance administrator may {permission.label}.")


def _held(actor: Actor, standing: User, project: Project, environment: Environment | None) -> set[str]:
    """Codenames the actor holds in the environment, or in the whole project when there is none."""
    if actor.token is not None and actor.token.project_id not in (None, project.pk):
        return set()
    if standing.is_superuser:
        held = set(Permission.values)
    else:
        held = _codenames(ProjectUserObjectPermission, standing, project)
        if environment is not None:
            held |= _codenames(EnvironmentUserObjectPermission, standing, environment)
    return held if actor.token is None else held & set(actor.token.scopes)


def _codenames(
    model: type[ProjectUserObjectPermission | EnvironmentUserObjectPermission], user: User, content_object: Model
) -> set[str]:
    rows = model.objects.filter(user=user, content_object=content_object)
    return set(rows.values_list("permission__codename", flat=True))


def _sees_part(actor: Actor, project: Project) -> bool:
    """Whoever sees an environment of a project sees that the project exists."""
    return environments(actor).filter(project=project).exists()


def _project_rows(actor: Actor, permission: Permission) -> QuerySet[ProjectUserObjectPermission, Any]:
    return ProjectUserObjectPermission.objects.filter(
        user=actor.user, user__is_active=True, permission__codename=permission.value
    ).values("content_object")


def _projects(actor: Actor, permission: Permission) -> QuerySet[Project]:
    """The projects in the whole of which the actor holds the permission."""
    places = Q(pk__in=_project_rows(actor, permission))
    return _narrowed(actor, Project.objects.all(), permission, places, "pk")


def _narrowed(actor: Actor, found: QuerySet[Row], permission: Permission, places: Q, project: str) -> QuerySet[Row]:
    """`found` at `places`, everywhere for a superuser, nowhere without standing, and within the bounds of a token."""
    standing = _standing(actor)
    if standing is None or (actor.token is not None and permission.value not in actor.token.scopes):
        return found.none()
    if not standing.is_superuser:
        found = found.filter(places)
    if actor.token is not None and actor.token.project_id is not None:
        found = found.filter(**{project: actor.token.project_id})
    return found

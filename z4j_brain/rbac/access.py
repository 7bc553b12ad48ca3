"""The one policy: who may do what where. Panel, API, websocket, exports and counts all ask here.

Default deny. Guardian's rows say what a person may do in a project or an environment; grants add to that, deny some of
it, or narrow it to queues and task names, and a denial beats whatever allows; a token narrows it to its scopes and its
project; a disabled person or token may do nothing. What somebody may not even see does not exist for them: `visible`
is false and doors answer 404.

Asked about a project or an environment, the answer is whether the actor may do this to anything in it. Asked about a
thing with a queue or a task name (its model says so by `FACETS`), the answer is about this one, and nobody does
anything to what they do not see.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext

from z4j_brain.rbac import holdings
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.holdings import Place, Standing
from z4j_brain.rbac.models import (
    Environment,
    EnvironmentUserObjectPermission,
    Project,
    ProjectUserObjectPermission,
    Token,
)
from z4j_brain.rbac.reach import NOTHING, Facets, Reach
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


class Held(frozenset[Permission]):
    """All that somebody may do in a place, and how far it reaches there: for a page with many rows and buttons."""

    reaches: Mapping[Permission, Reach]

    @classmethod
    def of(cls, reaches: Mapping[Permission, Reach], facets: Facets | None) -> Held:
        held = cls(one for one in reaches if _holds(reaches, one, facets))
        held.reaches = reaches
        return held

    def condition(self, columns: Mapping[str, str], permission: Permission = Permission.VIEW) -> Q:
        """What of the rows in this place the actor sees, and may do this to. Nothing is asked of all of them: Q()."""
        if Permission.VIEW not in self.reaches:
            return Q()
        wanted = self.reaches[Permission.VIEW].condition(columns)
        return wanted & self.reaches[permission].condition(columns) if permission != Permission.VIEW else wanted

    def covers(self, permission: Permission, facets: Facets) -> bool:
        """May they do this to the thing in this place with this queue and task name?"""
        return not self.reaches or _holds(self.reaches, permission, facets)

    def is_everywhere(self, permission: Permission) -> bool:
        """Is it held of all that is in the place?"""
        return not self.reaches or self.reaches[permission].is_everywhere

    def sees_queue(self, name: str) -> bool:
        """Is no task of this queue hidden by its name?"""
        return not self.reaches or self.reaches[Permission.VIEW].is_whole_queue(name)

    @property
    def sees_everything(self) -> bool:
        """Is nothing in this place hidden by its queue or its name?"""
        return not self.reaches or self.reaches[Permission.VIEW].is_everywhere


def decide(
    actor: Actor,
    permission: Permission | InstancePermission,
    target: Any,
    *,
    queue: str | None = None,
    task: str | None = None,
) -> Decision:
    """May `actor` do this to `target`: the instance, a person, a project, an environment, or a row of one?

    `queue` and `task`: to what has these, in the target.
    """
    if actor.type == "system":
        return Decision(True, True, "system", gettext("The brain itself acts."))
    actor = holdings.remembering(actor)
    found = holdings.standing(actor)
    if found is None:
        return Decision(False, False, "no_standing", gettext("The account or the token is not in force."))
    if isinstance(permission, InstancePermission):
        return _decide_instance(actor, found, permission, target)
    project, environment = place(target)
    if project is None:
        return Decision(False, False, "no_place", gettext("This belongs to no project."))
    facets = facets_of(target) if queue is None and task is None else Facets(queue, task)
    where = _key(project, environment)
    reaches = {one: holdings.reach(actor, found, one, where) for one in _asked(permission)}
    visible = _holds(reaches, Permission.VIEW, facets) or (environment is None and _sees_part(actor, project))
    if _holds(reaches, permission, facets) or (permission == Permission.VIEW and visible):
        return Decision(
            True,
            True,
            "superuser" if found.is_superuser else "role",
            f"You may {permission.label}.",
        )
    return _denied(found, reaches[permission], permission, visible=visible)


def permissions(actor: Actor, target: Any) -> Held:
    """All that `decide` lets the actor do to the target, in one look: for a page with many buttons."""
    if actor.type == "system":
        everything = Held(Permission)
        everything.reaches = {}
        return everything
    actor = holdings.remembering(actor)
    found = holdings.standing(actor)
    project, environment = place(target)
    if found is None or project is None:
        return Held.of({one: Reach() for one in Permission}, None)
    where = _key(project, environment)
    look = functools.partial(_reaches, actor, found, where)
    return Held.of(holdings.once(actor, ("reaches", where), look), facets_of(target))


def _reaches(actor: Actor, found: Standing, where: Place) -> dict[Permission, Reach]:
    return {one: holdings.reach(actor, found, one, where) for one in Permission}


def audit_scope(actor: Actor, target: Any = INSTANCE) -> Literal["all", "own"]:
    """Which entries of the audit trail the actor reads of this place: all of them, or those of what they did."""
    if not isinstance(target, Instance):
        return "all" if Permission.VIEW_AUDIT in permissions(actor, target) else "own"
    if actor.type == "system":
        return "all"
    found = holdings.standing(actor)
    return "all" if found is not None and found.token is None and found.is_staff else "own"


def scope(queryset: QuerySet[Row], actor: Actor, permission: Permission = Permission.VIEW) -> QuerySet[Row]:
    """The rows on which `decide` allows `permission`: of Environment, Project, or a model with an environment."""
    if actor.type == "system":
        return queryset
    actor = holdings.remembering(actor)
    allowed = environments(actor, permission)
    if queryset.model is Environment:
        return queryset.filter(pk__in=allowed.values("pk"))
    if queryset.model is Project:
        places = Q(pk__in=_projects(actor, permission).values("pk"))
        if permission == Permission.VIEW:
            places |= Q(environments__in=allowed.values("pk"))
        return queryset.filter(pk__in=Project.objects.filter(places).values("pk"))
    columns: Mapping[str, str] = getattr(queryset.model, "FACETS", {})
    if not columns:
        return queryset.filter(environment__in=allowed.values("pk"))
    return queryset.filter(_of_facets(actor, permission, allowed, columns))


def environments(actor: Actor, permission: Permission = Permission.VIEW) -> QuerySet[Environment]:
    """The environments in which the actor holds the permission, of all of what is in them or of some."""
    rows = EnvironmentUserObjectPermission.objects.filter(
        user=actor.user, user__is_active=True, permission__codename=permission.value
    )
    found = Environment.objects.select_related("project")
    held = Q(pk__in=rows.values("content_object")) | Q(project__in=_project_rows(actor, permission))
    return _narrowed(actor, found, permission, held, project="project", environment="pk")


def place(target: Any) -> tuple[Project | None, Environment | None]:
    """The project and the environment that a target belongs to."""
    if isinstance(target, Project):
        return target, None
    environment = target if isinstance(target, Environment) else getattr(target, "environment", None)
    if isinstance(environment, Environment):
        return environment.project, environment
    project = getattr(target, "project", None)
    return (project, None) if isinstance(project, Project) else (None, None)


def facets_of(target: Any) -> Facets | None:
    """The queue and the task name of a row that has them."""
    columns: Mapping[str, str] = getattr(type(target), "FACETS", {})
    return Facets(**{facet: getattr(target, column) for facet, column in columns.items()}) if columns else None


def _key(project: Project, environment: Environment | None) -> Place:
    return project.pk, environment.pk if environment else None


def _asked(permission: Permission) -> set[Permission]:
    return {permission, Permission.VIEW}


def _holds(reaches: Mapping[Permission, Reach], permission: Permission, facets: Facets | None) -> bool:
    """In the place: of anything there. Of a thing with facets: of this one, which has to be seen, too."""
    if facets is not None:
        return all(reaches[one].covers(facets) for one in _asked(permission))
    if permission == Permission.VIEW_PAYLOAD:  # a list shows payload in all of its rows, or in none
        return reaches[permission].is_somewhere and reaches[permission].contains(reaches[Permission.VIEW])
    return reaches[permission].is_somewhere


def _denied(found: Standing, reach: Reach, permission: Permission, *, visible: bool) -> Decision:
    if found.token is not None and not found.token.is_service and permission not in found.token.scopes:
        return Decision(
            False,
            visible,
            "token_scope",
            gettext("The token's scopes do not let you %(do)s.") % {"do": permission.label},
        )
    if reach.never or reach.denied:
        return Decision(
            False, visible, "denied", gettext("You have been denied to %(do)s here.") % {"do": permission.label}
        )
    if reach.is_somewhere:
        return Decision(
            False, visible, "not_permitted", gettext("You may %(do)s elsewhere, not here.") % {"do": permission.label}
        )
    return Decision(
        False, visible, "role_lacks", gettext("Your role does not let you %(do)s.") % {"do": permission.label}
    )


def _decide_instance(actor: Actor, found: Standing, permission: InstancePermission, target: Any) -> Decision:
    if found.token is not None or found.user is None:
        return Decision(False, True, "token_never", gettext("No token may do this: sign in."))
    if permission == InstancePermission.MANAGE_OWN_TOKENS:
        owner = target.user_id if isinstance(target, Token) else getattr(target, "pk", None)
        own = owner == found.user.pk
        return Decision(own, own, "own" if own else "not_own", gettext("Tokens are managed by their owner alone."))
    return Decision(
        found.is_staff,
        True,
        "instance",
        gettext("Only an instance administrator may %(do)s.") % {"do": permission.label},
    )


def _sees_part(actor: Actor, project: Project) -> bool:
    """Whoever sees an environment of a project sees that the project exists."""
    return environments(actor).filter(project=project).exists()


def _project_rows(actor: Actor, permission: Permission) -> QuerySet[ProjectUserObjectPermission, Any]:
    return ProjectUserObjectPermission.objects.filter(
        user=actor.user, user__is_active=True, permission__codename=permission.value
    ).values("content_object")


def _projects(actor: Actor, permission: Permission) -> QuerySet[Project]:
    """The projects in the whole of which the actor holds the permission."""
    held = Q(pk__in=_project_rows(actor, permission))
    return _narrowed(actor, Project.objects.all(), permission, held, project="pk", environment="")


def _narrowed(
    actor: Actor, found: QuerySet[Row], permission: Permission, held: Q, *, project: str, environment: str
) -> QuerySet[Row]:
    """`found` where it is `held`, everywhere for a superuser, and within the bounds of a token; of places that grants
    are about, those that hold the permission when all is said.
    """
    actor = holdings.remembering(actor)
    standing = holdings.standing(actor)
    if standing is None:
        return found.none()
    token = standing.token
    if token is not None:
        if token.environment_id is not None and not environment:
            return found.none()
        if permission.value not in token.scopes and not token.is_service:
            return found.none()
        if token.environment_id is not None:
            found = found.filter(**{environment: token.environment_id})
        elif token.project_id is not None:
            found = found.filter(**{project: token.project_id})
    if standing.is_superuser:
        return found
    if token is not None and token.is_service:
        scoped = holdings.reaching(standing, (), token.scopes, permission, _home(token)).whole
        held = Q() if scoped else NOTHING
    return found.filter(_corrected(actor, standing, permission, held, environment))


def _home(token: Token) -> Place:
    return token.project_id or 0, token.environment_id


def _corrected(actor: Actor, standing: Standing, permission: Permission, held: Q, environment: str) -> Q:
    """`held`, but for the places that grants are about: of those, the ones in which the permission is left."""
    touched = {
        where: found
        for where, found in holdings.touched(actor, standing).items()
        if bool(where[1]) == bool(environment)
    }
    if not touched:
        return held
    given = holdings.grants(actor)
    allowed = [
        where[1] or where[0]
        for where, codenames in touched.items()
        if _in_place(standing, given, codenames, permission, where)
    ]
    return (held & ~Q(pk__in=[where[1] or where[0] for where in touched])) | Q(pk__in=allowed)


def _in_place(standing: Standing, given: Any, codenames: Any, permission: Permission, where: Place) -> bool:
    reaches = {one: holdings.reaching(standing, given, codenames, one, where) for one in _asked(permission)}
    return _holds(reaches, permission, None)


def _of_facets(actor: Actor, permission: Permission, allowed: QuerySet[Environment], columns: Mapping[str, str]) -> Q:
    """Rows in these environments, of those that grants are about only what the grants leave."""
    standing = holdings.standing(actor)
    if standing is None:
        return NOTHING
    places = Q(environment__in=allowed.values("pk"))
    if permission != Permission.VIEW:
        places &= Q(environment__in=environments(actor).values("pk"))
    touched, given = holdings.touched(actor, standing), holdings.grants(actor)
    narrow = Q()
    for where, codenames in touched.items():
        if where[1] is None:
            continue
        reaches = {one: holdings.reaching(standing, given, codenames, one, where) for one in _asked(permission)}
        wanted = reaches[permission].condition(columns) & reaches[Permission.VIEW].condition(columns)
        narrow |= Q(environment=where[1]) & wanted
    inside = [where[1] for where in touched if where[1] is not None]
    return (places & ~Q(environment__in=inside)) | narrow if inside else places

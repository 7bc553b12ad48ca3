"""What people ask for tasks: run them again, stop them, put dead letters back, send one, see what stands in one; and
for the list of them: a view kept under a name, and the columns they want to see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext

from z4j_brain.ledger.states import Phase
from z4j_brain.lib import nudge
from z4j_brain.operations import approving, launch
from z4j_brain.operations.idempotency import Claim
from z4j_brain.operations.models import Operation
from z4j_brain.rbac.access import Decision
from z4j_brain.rbac.action import Record, Refused, action
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment, User
from z4j_brain.rbac.states import Permission
from z4j_brain.tasks import columns, saved, verbs
from z4j_brain.tasks.models import FirstView, ListColumns, SavedView, Task
from z4j_brain.tasks.query_string import View
from z4j_brain.tasks.verbs import KIND

Ids = Sequence[int | str]
Given = Mapping[str, Any] | None


#: These do nothing more than ask.
retry = launch.asking(verbs.RETRY)
retry_with = launch.asking(verbs.RETRY_WITH)
requeue = launch.asking(verbs.REQUEUE)
move = launch.asking(verbs.MOVE)
reveal = launch.asking(verbs.REVEAL)
run = launch.asking(verbs.RUN)
hello = launch.asking(verbs.HELLO)


@action(Permission.CANCEL, "task.cancel")
def cancel(
    environment: Environment,
    task_ids: Ids,
    options: Given = None,
    given: Given = None,
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Ask for these tasks to be stopped, queued or running. An event of the engine says whether they were."""
    operation = launch.start(verbs.CANCEL, environment, task_ids, options, given, actor, reason, record, claim)
    approving.take_effect(operation)
    return operation


@action(Permission.VIEW, "task.export")
def export(
    environment: Environment,
    wanted: Mapping[str, str],
    form: str,
    *,
    payload: bool,
    actor: Actor,
    reason: str = "",
    record: Record,
) -> UUID:
    """Let a list leave as a file: the id of the entry that says who took what. Another one will say how much it was.

    With values, where the environment asks for reasons, only with one: it is as if each of these tasks was shown.
    """
    if payload:
        launch.demand_reason(environment, reason)
    record.target("environment", environment.pk)
    record.params({"filter": dict(wanted), "format": form, "payload": payload})
    return record.entry_id


@action(Permission.VIEW_PAYLOAD, "task.show")
def show(task: Task, *, actor: Actor, reason: str = "", record: Record) -> None:
    """Let somebody see the values of one task: the entry says who looked, and why where the environment asks for it."""
    launch.demand_reason(task.environment, reason)
    record.target(KIND, task.pk)
    record.nudge(task.environment_id, KIND, [str(task.pk)])


@action(Permission.VIEW, "task_view.save")
def save_view(
    environment: Environment, name: str, query: str, *, actor: Actor, reason: str = "", record: Record
) -> SavedView:
    """Keep this reading of the list for oneself. Raises ValidationError by field."""
    return _keep(SavedView(environment=environment, owner=_person(actor)), {"name": name, "query": query}, record)


@action(Permission.MANAGE_PROJECT, "task_view.share", phase=Phase.ADMIN)
def share_view(
    environment: Environment, name: str, query: str, *, actor: Actor, reason: str = "", record: Record
) -> SavedView:
    """Keep this reading of the list for everybody here. Raises ValidationError by field."""
    return _keep(SavedView(environment=environment), {"name": name, "query": query}, record)


def _of_shared(view: SavedView) -> Permission | None:
    return Permission.MANAGE_PROJECT if view.is_shared else None


@action(Permission.VIEW, "task_view.change", also=_of_shared)
def change_view(
    view: SavedView, asked: Mapping[str, str], *, actor: Actor, reason: str = "", record: Record
) -> SavedView:
    """Another name, or another reading, for a view. Raises ValidationError by field."""
    _check_own(view, actor)
    new = SavedView.objects.select_for_update().select_related("environment__project").get(pk=view.pk)
    return _keep(new, asked, record)


@action(Permission.VIEW, "task_view.delete", also=_of_shared)
def delete_view(view: SavedView, *, actor: Actor, reason: str = "", record: Record) -> None:
    """Forget a view. Who found it first finds the usual list again."""
    _check_own(view, actor)
    _told(view, record)
    SavedView.objects.filter(pk=view.pk).delete()


@action(Permission.VIEW, "task_view.make_first")
def make_first(view: SavedView, on: bool = True, *, actor: Actor, reason: str = "", record: Record) -> None:
    """Let oneself find this view first, or no longer, where the list is opened without another."""
    _check_own(view, actor)
    _told(view, record)
    record.params({"on": on})
    kept: dict[str, Any] = {"user": _person(actor), "environment": view.environment}
    if on:
        FirstView.objects.update_or_create(**kept, defaults={"view": view})
    else:
        FirstView.objects.filter(**kept, view=view).delete()


@action(Permission.VIEW, "task_list.arrange")
def arrange(environment: Environment, shown: Sequence[str], *, actor: Actor, reason: str = "", record: Record) -> None:
    """Choose the columns of one's own lists of tasks, wherever they are."""
    chosen = columns.known(shown)
    record.target("environment", environment.pk)
    record.params({"columns": list(chosen)})
    ListColumns.objects.update_or_create(user=_person(actor), defaults={"shown": list(chosen)})


def _keep(view: SavedView, asked: Mapping[str, str], record: Record) -> SavedView:
    """Set what is asked for, and see that it has a name of its own among those it stands with."""
    view.name = asked.get("name", view.name).replace("\0", "").strip()
    view.query = View.of_address(asked.get("query", view.query)).kept
    beside = SavedView.objects.filter(environment=view.environment, owner=view.owner).exclude(pk=view.pk)
    if beside.filter(name=view.name).exists():
        raise ValidationError({"name": gettext("There is a view with this name.")})
    if not view.pk and beside.count() >= saved.MOST:
        raise ValidationError(
            {"name": gettext("There are %(most)s views at most. Delete one first.") % {"most": saved.MOST}}
        )
    view.full_clean(exclude=("environment", "owner"), validate_constraints=False)
    view.save()
    _told(view, record)
    return view


def _told(view: SavedView, record: Record) -> None:
    record.target("task_view", view.pk)
    record.params({"name": view.name, "query": view.query, "shared": view.is_shared})


def _person(actor: Actor) -> User:
    if actor.user is None:
        text = gettext("Only a person has views and columns of their own.")
        raise Refused(Decision(False, True, "no_person", text))
    return actor.user


def _check_own(view: SavedView, actor: Actor) -> None:
    """Of somebody else's nobody knows that it is there."""
    if not view.is_shared and view.owner_id != (actor.user and actor.user.pk):
        raise Refused(Decision(False, False, "not_own", gettext("This view is somebody else's.")))


def _mark(operation: Operation) -> None:
    """The tasks tell at once that somebody wants them stopped."""
    going = operation.items.filter(left_out="").values_list("target_id", flat=True)
    asked = [int(pk) for pk in going]
    Task.objects.filter(environment=operation.environment, pk__in=asked).update(
        cancel_requested_at=timezone.now(), cancel_requested_by=operation.actor_name
    )
    nudge.on_commit(operation.environment_id, KIND, [str(pk) for pk in asked])


approving.on_release(verbs.CANCEL.name, _mark)

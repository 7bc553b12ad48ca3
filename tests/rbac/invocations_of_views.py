"""One call of each action on what people keep about the list of tasks, that succeeds for whoever may do it."""

from __future__ import annotations

from tests.cast import Cast
from tests.rbac.invoking import invocation
from z4j_brain.tasks import actions
from z4j_brain.tasks.models import SavedView

#: What only a person does, for whoever calls all actions.
OF_PEOPLE = ("task_view.save", "task_view.make_first", "task_list.arrange")


def prepare(cast: Cast) -> None:
    """A view that everybody has."""
    SavedView.objects.create(environment=cast.production, name="failing", query="state=failed")


@invocation("task_view.save")
def save(cast, actor):
    return actions.save_view(cast.production, "mine", "state=failed", actor=actor, reason="because")


@invocation("task_view.share")
def share(cast, actor):
    return actions.share_view(cast.production, "ours", "queue=emails", actor=actor, reason="because")


@invocation("task_view.change")
def change(cast, actor):
    return actions.change_view(SavedView.objects.get(), {"name": "broken"}, actor=actor, reason="because")


@invocation("task_view.delete")
def delete(cast, actor):
    return actions.delete_view(SavedView.objects.get(), actor=actor, reason="because")


@invocation("task_view.make_first")
def make_first(cast, actor):
    return actions.make_first(SavedView.objects.get(), actor=actor, reason="because")


@invocation("task_list.arrange")
def arrange(cast, actor):
    return actions.arrange(cast.production, ["queue"], actor=actor, reason="because")

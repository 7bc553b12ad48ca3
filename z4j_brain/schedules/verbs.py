"""What can be asked for schedules, whoever keeps them."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from z4j_brain.operations.verbs import Verb
from z4j_brain.rbac.states import Permission
from z4j_brain.schedules.options import Creating, Disabling, Editing

KIND = "schedule"
#: What a schedule is made in: its targets are `<source>/<key>`, since what is to be made has no number yet.
SCHEDULER = "scheduler"

ENABLE = Verb(
    "schedule.enable",
    "schedule_enable",
    KIND,
    Permission.MANAGE_SCHEDULES,
    gettext_lazy("Enable"),
    gettext_lazy("Each fires again from its next due time on. What it missed meanwhile is not made up for."),
    done=gettext_lazy("Enabled"),
    stays=gettext_lazy("Leave it disabled"),
    icon="play",
)
DISABLE = Verb(
    "schedule.disable",
    "schedule_disable",
    KIND,
    Permission.MANAGE_SCHEDULES,
    gettext_lazy("Disable"),
    gettext_lazy(
        "Each fires no more, also after a restart of its scheduler, until it is enabled. What it sent already runs on."
    ),
    done=gettext_lazy("Disabled"),
    stays=gettext_lazy("Leave it enabled"),
    icon="circle-pause",
    options=Disabling,
)
RUN = Verb(
    "schedule.run",
    "schedule_run",
    KIND,
    Permission.MANAGE_SCHEDULES,
    gettext_lazy("Run now"),
    gettext_lazy(
        "Its task is sent once, now, beside its due times: if it runs already, it runs twice at once. No undo."
    ),
    done=gettext_lazy("Sent"),
    stays=gettext_lazy("Wait for its time"),
    icon="circle-play",
)
EDIT = Verb(
    "schedule.edit",
    "schedule_edit",
    KIND,
    Permission.EDIT_SCHEDULES,
    gettext_lazy("Change"),
    gettext_lazy("What is given here replaces what each has; the rest stays."),
    done=gettext_lazy("Changed"),
    stays=gettext_lazy("Leave it as it is"),
    icon="wrench",
    options=Editing,
)
DELETE = Verb(
    "schedule.delete",
    "schedule_delete",
    KIND,
    Permission.EDIT_SCHEDULES,
    gettext_lazy("Delete"),
    gettext_lazy("Each is taken out of its scheduler for good."),
    done=gettext_lazy("Deleted"),
    stays=gettext_lazy("Keep it"),
    icon="trash-2",
    danger=True,
    fresh=True,
)
CREATE = Verb(
    "schedule.create",
    "schedule_create",
    SCHEDULER,
    Permission.EDIT_SCHEDULES,
    gettext_lazy("Create"),
    gettext_lazy("The scheduler is given one more schedule, and keeps it from then on."),
    done=gettext_lazy("Created"),
    stays=gettext_lazy("Do not create it"),
    icon="plus",
    options=Creating,
)
#: What a list of schedules offers for all that is on it.
BULK = (ENABLE, DISABLE, RUN, DELETE)
#: What the page of one schedule offers.
ALL = (ENABLE, DISABLE, RUN, EDIT, DELETE, CREATE)

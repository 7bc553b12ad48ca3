"""What agents call what they offer, in English: gathered here for whoever translates the panel."""

from __future__ import annotations

from django.utils.translation import gettext_noop

#: Each of `z4j_core.verbs.WORDS` and `SCHEDULER_WORDS`.
WORDS = (
    gettext_noop("Retry with the original arguments"),
    gettext_noop("Retry with changed arguments"),
    gettext_noop("Run a registered task with given arguments"),
    gettext_noop("Cancel a task"),
    gettext_noop("Requeue a dead letter"),
    gettext_noop("Move a task to another queue"),
    gettext_noop("List what waits in a queue"),
    gettext_noop("Measure queues"),
    gettext_noop("Purge a queue"),
    gettext_noop("Pause a queue"),
    gettext_noop("Resume a queue"),
    gettext_noop("Workers, their slots and current tasks"),
    gettext_noop("Add slots to a worker"),
    gettext_noop("Take slots from a worker"),
    gettext_noop("Set the limits of autoscaling"),
    gettext_noop("Restart the pool of a worker"),
    gettext_noop("Restart a worker"),
    gettext_noop("Stop a worker"),
    gettext_noop("Set a rate limit"),
    gettext_noop("Set a time limit"),
    gettext_noop("Ask the engine's store about a task"),
    gettext_noop("Send a hello through the engine"),
    gettext_noop("Say what in the configuration will hurt"),
    gettext_noop("List schedules"),
    gettext_noop("Say that the scheduler is alive"),
    gettext_noop("Enable a schedule"),
    gettext_noop("Disable a schedule"),
    gettext_noop("Edit a schedule"),
    gettext_noop("Create a schedule"),
    gettext_noop("Delete a schedule"),
    gettext_noop("Run a schedule now"),
)

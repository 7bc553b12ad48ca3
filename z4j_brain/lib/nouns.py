"""So many of a kind, in the language of whoever reads: `1 task`, `12,345 tasks`."""

from __future__ import annotations

from django.utils.translation import ngettext


def tasks(count: int) -> str:
    return _counted(ngettext("%(n)s task", "%(n)s tasks", count), count)


def schedules(count: int) -> str:
    return _counted(ngettext("%(n)s schedule", "%(n)s schedules", count), count)


def workers(count: int) -> str:
    return _counted(ngettext("%(n)s worker", "%(n)s workers", count), count)


def events(count: int) -> str:
    return _counted(ngettext("%(n)s event", "%(n)s events", count), count)


def due_times(count: int) -> str:
    return _counted(ngettext("%(n)s due time", "%(n)s due times", count), count)


def days(count: int) -> str:
    return _counted(ngettext("%(n)s day", "%(n)s days", count), count)


def outlets(count: int) -> str:
    return _counted(ngettext("%(n)s anchor or stream", "%(n)s anchors or streams", count), count)


def _counted(words: str, count: int) -> str:
    return words % {"n": f"{count:,}"}

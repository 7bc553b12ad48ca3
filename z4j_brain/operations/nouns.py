"""What operations are called on pages: what is done, and to how many of what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.utils.text import capfirst
from django.utils.translation import gettext, pgettext_lazy

from z4j_brain.lib.words import number, uncapped

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

#: The last word of an action, as it stands at the beginning of a sentence.
_WORDS: Final[dict[str, StrOrPromise]] = {
    "retry": pgettext_lazy("what an operation does", "Retry"),
    "retry_with": pgettext_lazy("what an operation does", "Retry with"),
    "cancel": pgettext_lazy("what an operation does", "Cancel"),
    "requeue": pgettext_lazy("what an operation does", "Requeue"),
    "move": pgettext_lazy("what an operation does", "Move"),
    "reveal": pgettext_lazy("what an operation does", "Reveal"),
    "run": pgettext_lazy("what an operation does", "Run"),
    "hello": pgettext_lazy("what an operation does", "Hello"),
    "pause": pgettext_lazy("what an operation does", "Pause"),
    "resume": pgettext_lazy("what an operation does", "Resume"),
    "purge": pgettext_lazy("what an operation does", "Purge"),
    "grow": pgettext_lazy("what an operation does", "Grow"),
    "shrink": pgettext_lazy("what an operation does", "Shrink"),
    "autoscale": pgettext_lazy("what an operation does", "Autoscale"),
    "restart_pool": pgettext_lazy("what an operation does", "Restart pool"),
    "restart": pgettext_lazy("what an operation does", "Restart"),
    "stop": pgettext_lazy("what an operation does", "Stop"),
    "rate_limit": pgettext_lazy("what an operation does", "Rate limit"),
    "time_limit": pgettext_lazy("what an operation does", "Time limit"),
    "enable": pgettext_lazy("what an operation does", "Enable"),
    "disable": pgettext_lazy("what an operation does", "Disable"),
    "edit": pgettext_lazy("what an operation does", "Edit"),
    "delete": pgettext_lazy("what an operation does", "Delete"),
    "create": pgettext_lazy("what an operation does", "Create"),
    "fire": pgettext_lazy("what an operation does", "Fire"),
    "erase": pgettext_lazy("what an operation does", "Erase"),
    "set_approval_policy": pgettext_lazy("what an operation does", "Set approval policy"),
    "give": pgettext_lazy("what an operation does", "Give"),
    "revoke": pgettext_lazy("what an operation does", "Revoke"),
    "set_role": pgettext_lazy("what an operation does", "Set role"),
    "invite": pgettext_lazy("what an operation does", "Invite"),
}
#: One, and several, of a kind of target.
_NOUNS: Final[dict[str, StrOrPromise]] = {
    "task": pgettext_lazy("target", "task"),
    "tasks": pgettext_lazy("target", "tasks"),
    "queue": pgettext_lazy("target", "queue"),
    "queues": pgettext_lazy("target", "queues"),
    "worker": pgettext_lazy("target", "worker"),
    "workers": pgettext_lazy("target", "workers"),
    "schedule": pgettext_lazy("target", "schedule"),
    "schedules": pgettext_lazy("target", "schedules"),
    "scheduler": pgettext_lazy("target", "scheduler"),
    "schedulers": pgettext_lazy("target", "schedulers"),
    "engine": pgettext_lazy("target", "engine"),
    "engines": pgettext_lazy("target", "engines"),
    "firing": pgettext_lazy("target", "firing"),
    "firings": pgettext_lazy("target", "firings"),
    "registered": pgettext_lazy("target", "registered"),
    "registereds": pgettext_lazy("target", "registereds"),
    "registered tasks": pgettext_lazy("target", "registered tasks"),
    "operation": pgettext_lazy("target", "operation"),
    "environment": pgettext_lazy("target", "environment"),
    "user": pgettext_lazy("target", "user"),
    "member": pgettext_lazy("target", "member"),
    "grant": pgettext_lazy("target", "grant"),
    "policy": pgettext_lazy("target", "policy"),
    "project": pgettext_lazy("target", "project"),
    "invitation": pgettext_lazy("target", "invitation"),
    "target": pgettext_lazy("target", "target"),
    "targets": pgettext_lazy("target", "targets"),
}


def word(action: str) -> str:
    """What an action does, as it stands at the beginning of a sentence."""
    last = action.rpartition(".")[2]
    return str(_WORDS.get(last, last.replace("_", " ").capitalize()))


def noun(what: str) -> str:
    """A kind of target, or several of it, in the words of the page."""
    return str(_NOUNS.get(what, what))


def counted(count: int, one: str, several: str = "") -> str:
    """`1 task`, `12,345 tasks`."""
    return f"{number(count)} {noun(one if count == 1 else several or f'{one}s')}"


def headline(verb: str, told: str) -> str:
    """`Retry 3 tasks`, with what is done and to what."""
    said = gettext("%(verb)s %(counted)s") % {"verb": uncapped(verb), "counted": told}
    return capfirst(said)

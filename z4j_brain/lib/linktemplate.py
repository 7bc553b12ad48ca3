"""Addresses of other systems with places for what is known of a task: `https://traces.example/trace/{trace_id}`.

What is filled in is told by agents, so it is escaped in full and never stands in the part that says where a link leads.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import quote, urlsplit

from django.utils.translation import gettext

#: What an address may be long.
LONGEST: Final = 500
#: What may stand in braces, with what it is.
PLACES: Final = {
    "trace_id": "the trace that the task ran in, where its headers say so",
    "task_id": "its id in the engine",
    "name": "the name of the task",
    "queue": "its queue",
    "worker": "the worker that ran it",
    "engine": "its engine",
    "started": "when its last run started, as 2026-11-22T14:01:28Z",
    "started_ms": "the same, in milliseconds since 1970",
    "ended_ms": "when it ended, or now, in milliseconds since 1970",
}
_PLACE = re.compile(r"\{([^{}]*)\}")
_ODD = re.compile(r"[\s\\\x00-\x1f\x7f<>\"'`^|]")


def fault(template: str, plain_hosts: Collection[str] = ()) -> str:
    """What is wrong with a template, in a sentence; empty where nothing is. `plain_hosts` may be reached by http."""
    if len(template) > LONGEST:
        return gettext("At most %(n)s characters.") % {"n": LONGEST}
    if _ODD.search(template):
        return gettext(
            "Spaces, quotes, backslashes and < > have no place in an address. Write a space as %20, and so on."
        )
    for name in _PLACE.findall(template):
        if name not in PLACES:
            told = {"name": f"{{{name}}}", "names": ", ".join(f"{{{place}}}" for place in PLACES)}
            return gettext("There is no %(name)s. There are %(names)s.") % told
    if set("{}") & set(_PLACE.sub("", template)):
        return gettext("A brace is left open. A place is written as {trace_id}.")
    if not _PLACE.search(template):
        return gettext("Without a place such as {trace_id} every task would lead to the same page.")
    return _leads(template, plain_hosts)


def filled(template: str, facts: Mapping[str, str]) -> str:
    """The address for these facts; empty where one that it needs is not known."""
    if not template or any(not facts.get(name) for name in _PLACE.findall(template)):
        return ""
    return _PLACE.sub(lambda match: quote(facts[match[1]], safe=""), template)


def _leads(template: str, plain_hosts: Collection[str]) -> str:
    try:
        parts = urlsplit(template)
        host, _ = (parts.hostname or "").lower(), _PLACE.search(parts.netloc) or parts.port
    except ValueError:
        return gettext("This is no address: the part behind https:// is not a host.")
    if parts.scheme not in ("https", "http") or not host:
        return gettext("An address begins with https:// and a host, such as https://traces.example.com/.")
    if _PLACE.search(parts.netloc):
        return gettext("The host is the same for every task: places stand behind it.")
    if "@" in parts.netloc:
        return gettext("A name or a password has no place in an address that everybody here sees.")
    if parts.scheme == "http" and host not in plain_hosts:
        told = gettext(
            "Only https:// is taken. Hosts that are named in Z4J_PRIVATE_HOSTS may have http://; %(host)s is not."
        )
        return told % {"host": host}
    return ""

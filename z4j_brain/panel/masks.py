"""A page for the eyes of others: people, addresses and the hosts of workers are told by a number.

Only what is read on the screen is masked. What a form sends and where a link leads stay what they are.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from django.utils.html import escape
from django.utils.translation import gettext

from z4j_brain.agents.models import Agent
from z4j_brain.fleet.models import Worker
from z4j_brain.rbac.models import User

#: Markup and the text in between; nobody's text has a bare `<` or `>`.
_TAG = re.compile(r"(<[^>]*>)")
#: Attributes that are read out, or stand beside the pointer.
_READ = re.compile(r'(?<=[\s])(title|aria-label|placeholder|alt|label)="([^"]+)"')
#: A button of the old kind has its words in an attribute; one with a name sends them, too.
_BUTTON = re.compile(r'<input(?![^>]*\sname=)[^>]*\stype="(?:submit|button|reset)"')
_READ_OF_BUTTON = re.compile(_READ.pattern.replace("|label", "|label|value"))
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}")
_ADDRESS = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])")
_NEWER_ADDRESS = re.compile(
    r"(?<![\w.])(?<!::)[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{0,40}(?:[0-9A-Fa-f]|::)(?:%[\w-]{1,16})?(?!\w)"
)
#: People, and names of workers and hosts, that are known to it: the newest.
MOST = 5_000


def masked(page: str, told: Mapping[str, str]) -> str:
    """The page with each name of `told` replaced by what it says instead, and without addresses of any kind. People
    are found however their names are written, small or large.
    """
    there, person, address = page.lower(), gettext("person"), gettext("an address")
    present, patterns = {}, []
    written = [(str(escape(name)), instead) for name, instead in told.items() if name]
    for name, instead in sorted(written, key=lambda pair: len(pair[0]), reverse=True):
        if name.lower() in there:
            is_person = instead.startswith(f"{person} ")
            present[name.lower() if is_person else name] = instead
            patterns.append(f"(?i:{re.escape(name)})" if is_person else re.escape(name))
    names = re.compile(rf"(?<![\w-])(?:{'|'.join(patterns)})(?![\w-])") if patterns else None

    def instead_of(found: re.Match[str]) -> str:
        return present.get(found[0]) or present.get(found[0].lower(), person)

    newer = partial(_newer, address)

    def mask(text: str) -> str:
        if names:
            text = names.sub(instead_of, text)
        return _ADDRESS.sub(address, _NEWER_ADDRESS.sub(newer, _EMAIL.sub(address, text)))

    return "".join(_pieces(page, mask))


def _newer(address: str, found: re.Match[str]) -> str:
    """What looks like an address of IPv6 may be a time or part of a program."""
    try:
        ipaddress.IPv6Address(found[0])
    except ValueError:
        return found[0]
    return address


def _pieces(page: str, mask: Callable[[str], str]) -> Iterator[str]:
    typed = False
    for number, piece in enumerate(_TAG.split(page)):
        if number % 2:
            typed = piece.startswith("<textarea") or (typed and not piece.startswith("</textarea"))
            read = _READ_OF_BUTTON if _BUTTON.match(piece) else _READ
            yield read.sub(lambda found: f'{found[1]}="{mask(found[2])}"', piece)
        else:
            yield piece if typed else mask(piece)


def told() -> dict[str, str]:
    """Everybody and every host by name, and the number that stands for each."""
    people = User.objects.order_by("date_joined", "pk").values_list("username", "email", "last_name")[:MOST]
    workers = Worker.objects.order_by("-pk").values_list("name", "host")[:MOST]
    agents = Agent.objects.order_by("-pk").values_list("name", "host")[:MOST]
    hosts = sorted({host for _, host in (*workers, *agents)})
    names = sorted({name for name, _ in (*workers, *agents)} - set(hosts))
    return {
        **_numbered(gettext("host"), ((host,) for host in hosts)),
        **_numbered(gettext("worker"), ((name,) for name in names)),
        **_numbered(gettext("person"), people),
    }


def _numbered(what: str, found: Iterable[tuple[str, ...]]) -> dict[str, str]:
    """Names of the same one have the same number."""
    return {name: f"{what} {number}" for number, names in enumerate(found, 1) for name in names if name}

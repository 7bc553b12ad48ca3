"""Chat and paging services: which there are, what their addresses may say, and how a message is taken to one.

A service's address holds its password. It is kept encrypted, and leaves this process only into the courier's standard
input: neither its arguments nor its environment have it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from z4j_brain.audit.webhooks import Undelivered

#: Services by the first word of their addresses. What is not here is not sent to, whatever the library could do.
SCHEMES: Mapping[str, str] = {
    "bark": "Bark",
    "barks": "Bark",
    "betterstack": "Better Stack",
    "dingtalk": "DingTalk",
    "discord": "Discord",
    "feishu": "Feishu",
    "firehydrant": "FireHydrant",
    "flock": "Flock",
    "form": "a form",
    "forms": "a form",
    "gchat": "Google Chat",
    "goalert": "GoAlert",
    "goalerts": "GoAlert",
    "gotify": "Gotify",
    "gotifys": "Gotify",
    "guilded": "Guilded",
    "ilert": "ilert",
    "incidentio": "incident.io",
    "json": "JSON",
    "jsons": "JSON",
    "lark": "Lark",
    "line": "Line",
    "matrix": "Matrix",
    "matrixs": "Matrix",
    "mmost": "Mattermost",
    "mmosts": "Mattermost",
    "msgbird": "MessageBird",
    "nctalk": "Nextcloud Talk",
    "nctalks": "Nextcloud Talk",
    "ntfy": "ntfy",
    "ntfys": "ntfy",
    "opsgenie": "Opsgenie",
    "pagerduty": "PagerDuty",
    "pagertree": "PagerTree",
    "pbul": "Pushbullet",
    "pover": "Pushover",
    "revolt": "Revolt",
    "rocket": "Rocket.Chat",
    "rockets": "Rocket.Chat",
    "ryver": "Ryver",
    "signal": "Signal",
    "signals": "Signal",
    "signl4": "SIGNL4",
    "slack": "Slack",
    "spike": "Spike.sh",
    "splunk": "Splunk On-Call",
    "squadcast": "Squadcast",
    "synology": "Synology Chat",
    "synologys": "Synology Chat",
    "tgram": "Telegram",
    "threema": "Threema",
    "twilio": "Twilio",
    "twist": "Twist",
    "vonage": "Vonage",
    "webex": "Webex",
    "wecombot": "WeCom",
    "workflows": "Microsoft Teams",
    "wxteams": "Webex",
    "xml": "XML",
    "xmls": "XML",
    "zulip": "Zulip",
}
LONGEST = 1000
#: Options by which an address would have a file read, a certificate not looked at, or a redirect followed.
REFUSED = frozenset({"template", "verify", "redirect", "retry", "wait", "optional", "attach", "cto", "rto"})
#: Seconds in which a service has taken a message, or has not: less than the sender's lease.
PATIENCE = 45.0
#: What a chat would read as a call to everybody or as a link of its own: names of tasks and queues may have it.
_PLAIN: Final = str.maketrans({"@": "@\u200b", "<": "\u2039", ">": "\u203a"})
#: How services mark what they are told, where they do.
TYPES: Mapping[str, str] = {"fired": "failure", "resolved": "success", "test": "info"}


def scheme(address: str) -> str:
    return address.partition("://")[0].lower()


def check(address: str) -> None:
    """Raises ValidationError for what is no address of a service that may be told."""
    known = SCHEMES.get(scheme(address))
    if "://" not in address or known is None:
        what = gettext("This is no address of a service that can be told: docs/how-to/alerts.md names those that can.")
        raise ValidationError({"address": what})
    if len(address) > LONGEST or any(char.isspace() or ord(char) < 0x20 for char in address):
        text = gettext("An address has %(most)s characters at most, and none of them is a space.") % {"most": LONGEST}
        raise ValidationError({"address": text})
    query = address.partition("?")[2].replace(";", "&")  # the library reads either as what stands between options
    options = {name.strip("+-: ").lower() for name, _ in parse_qsl(query, keep_blank_values=True)}
    if wrong := sorted(options & REFUSED):
        raise ValidationError({"address": gettext("Leave out %(names)s.") % {"names": ", ".join(wrong)}})


def recognise(address: str) -> None:
    """`check`, and whether the service's own library can read it. Raises ValidationError."""
    check(address)
    told = _courier({"address": address})
    if not told:
        text = gettext("This could not be looked at within %(seconds)s s. Try again.") % {"seconds": f"{PATIENCE:.0f}"}
        raise ValidationError({"address": text})
    if not told["read"]:
        text = gettext("This does not read as an address of %(service)s.") % {"service": SCHEMES[scheme(address)]}
        raise ValidationError({"address": text})


def send(address: str, title: str, text: str, happening: str) -> int | None:
    """What the service answered, where it spoke HTTP. Raises Undelivered."""
    check(address)
    words = {"title": title.translate(_PLAIN), "text": text.translate(_PLAIN)}
    told = _courier({"address": address, **words, "type": TYPES[happening]})
    name, code = SCHEMES[scheme(address)], told.get("code")
    if not told:
        raise Undelivered(f"{name} could not be told within {PATIENCE:.0f} s.")
    if told["sent"]:
        return code
    if told["private"]:
        raise Undelivered("Its address is inside a private network. Z4J_PRIVATE_HOSTS can allow it.")
    if not told["read"]:
        raise Undelivered(f"Its address does not read as one of {name}.")
    raise Undelivered(f"{name} answered {code}." if code else f"{name} could not be asked.", code)


def _courier(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What the courier tells; nothing where it was not back in time."""
    body = json.dumps({**asked, "private": list(settings.Z4J_PRIVATE_HOSTS)})
    command = [sys.executable, "-P", "-m", "z4j_brain.alerts.courier"]  # no code of the folder it starts in
    how: dict[str, Any] = {"env": _environment(), "cwd": os.sep, "timeout": PATIENCE, "check": False}
    try:
        done = subprocess.run(command, input=body, capture_output=True, text=True, **how)  # noqa: S603
        return dict(json.loads(done.stdout))
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return {}


def _environment() -> dict[str, str]:
    """Nothing of ours but where the code lies and which certificates are trusted: no setting, no proxy, no home."""
    kept = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    if trusted := os.environ.get("SSL_CERT_FILE"):
        kept |= {"REQUESTS_CA_BUNDLE": trusted}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8", "LANG": "C.UTF-8"}

"""The duty that sends messages: each until its receiver has taken it, under one id, so that it counts once.

A message is claimed for a while before it is sent. Who dies in between has it sent again by another, under the same
webhook-id, by which receivers know what they have.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from datetime import timedelta
from smtplib import SMTPException
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from z4j_brain.alerts import messengers
from z4j_brain.alerts.models import Channel, Delivery
from z4j_brain.alerts.states import ChannelKind, DeliveryState, Happening
from z4j_brain.audit import webhooks
from z4j_brain.audit.webhooks import Undelivered
from z4j_brain.lib import drain, fields, nudge

#: Channels and messages of each that one turn takes.
CHANNELS, MESSAGES = 50, 20
LEASE = timedelta(seconds=60)
#: A channel that takes a message for so many seconds is given one a turn.
SLOW = 3.0
#: Seconds to wait after each try; after the last one it is given up. Together more than a day.
WAITS = (5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 57_600)
KIND = "delivery"


def turn() -> None:
    """Send what is due, first to whoever waits longest. A channel that does not take a message, or is slow to, waits
    for its next turn: no other is to wait for it for long.
    """
    waits = _due().filter(channel=OuterRef("pk")).order_by("next_at").values("next_at")[:1]
    due = Channel.objects.annotate(waits=Subquery(waits)).exclude(waits=None)
    for channel in due.order_by("waits", "pk")[:CHANNELS]:
        for delivery in _due().filter(channel=channel).order_by("next_at", "pk")[:MESSAGES]:
            if drain.begun():
                return
            began = time.monotonic()
            if _claim(delivery) and (not _sent(delivery, channel) or time.monotonic() - began > SLOW):
                break


def to_webhook(delivery: Delivery, channel: Channel) -> int | None:
    """Signed by the secret before as well, for as long as its receiver may still know no other."""
    body, secret, before = delivery.body.encode(), fields.decrypt(channel.secret), ""
    if channel.secret_before_until is not None and channel.secret_before_until > timezone.now():
        before = fields.decrypt(channel.secret_before)
    return webhooks.post(channel.address, body, secret, "application/json", f"msg_{delivery.key.hex}", before)


def to_service(delivery: Delivery, channel: Channel) -> int | None:
    title, text = _written(delivery)
    return messengers.send(fields.decrypt(channel.secret), title, text, delivery.happening)


def _written(delivery: Delivery) -> tuple[str, str]:
    """A message as people read it: its title and its text."""
    data = json.loads(delivery.body)["data"]
    ended = f"It began {data['started_at']} and ended {data['ended_at']}.\n\n" if data.get("ended_at") else ""
    title = f"[{data['project']}/{data['environment']}] {delivery.title}"
    return title, f"{data['text']}\n\n{ended}{data['url']}\n"


def to_email(delivery: Delivery, channel: Channel) -> int | None:
    title, text = _written(delivery)
    message = EmailMessage(
        title,
        text,
        settings.DEFAULT_FROM_EMAIL,
        [channel.address],
        headers={"Message-ID": _message_id(delivery), "Auto-Submitted": "auto-generated"},
    )
    try:
        message.send()
    except (OSError, SMTPException) as error:
        raise Undelivered(f"The mail server did not take it: {type(error).__name__}.") from error
    return None


SEND: dict[str, Callable[[Delivery, Channel], int | None]] = {
    ChannelKind.WEBHOOK: to_webhook,
    ChannelKind.EMAIL: to_email,
    ChannelKind.SERVICE: to_service,
}


def _message_id(delivery: Delivery) -> str:
    """The same at each try."""
    domain = urlsplit(settings.Z4J_URL).hostname or "localhost"
    return f"<{delivery.key.hex}@{domain}>"


def _due() -> QuerySet[Delivery]:
    """What waits, but for the end of an alert whose beginning is still on its way there."""
    now, pending = timezone.now(), DeliveryState.PENDING
    begins = Delivery.objects.filter(alert=OuterRef("alert"), channel=OuterRef("channel"), happening=Happening.FIRED)
    here = Delivery.objects.filter(state=pending, next_at__lte=now)
    free = Q(leased_until=None) | Q(leased_until__lt=now)
    return here.filter(free, ~Q(happening=Happening.RESOLVED) | ~Exists(begins.filter(state=pending)))


def _claim(delivery: Delivery) -> bool:
    """Take a message for this process. Of two that try, one gets it."""
    now = timezone.now()
    rows = Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.PENDING, leased_until=delivery.leased_until)
    delivery.leased_until = now + LEASE
    delivery.attempts += 1
    return bool(rows.update(leased_until=delivery.leased_until, attempts=F("attempts") + 1))


def _sent(delivery: Delivery, channel: Channel) -> bool:
    """Has the receiver taken it?"""
    try:
        code = SEND[channel.kind](delivery, channel)
    except Exception as error:  # noqa: BLE001
        _failed(delivery, error)
        return False
    now = timezone.now()
    _mine(delivery).update(state=DeliveryState.DELIVERED, code=code, error="", sent_at=now, leased_until=None)
    nudge.send(delivery.environment_id, KIND, [str(delivery.pk)])
    return True


def _failed(delivery: Delivery, error: Exception) -> None:
    """It is tried again later, and later still when it goes on failing, until it is given up."""
    text = str(error) if isinstance(error, Undelivered) else f"It failed: {type(error).__name__}."
    told = {"code": getattr(error, "status", None), "error": text[:500], "leased_until": None}
    if delivery.attempts > len(WAITS):
        _mine(delivery).update(state=DeliveryState.FAILED, **told)
    else:
        wait = WAITS[delivery.attempts - 1] * random.uniform(0.8, 1.2)  # noqa: S311
        _mine(delivery).update(next_at=timezone.now() + timedelta(seconds=wait), **told)
    nudge.send(delivery.environment_id, KIND, [str(delivery.pk)])


def _mine(delivery: Delivery) -> QuerySet[Delivery]:
    """Its row, while this process holds it: who comes back after its lease changes nothing."""
    return Delivery.objects.filter(pk=delivery.pk, leased_until=delivery.leased_until)

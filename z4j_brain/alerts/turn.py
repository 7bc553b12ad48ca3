"""The duty that looks at rules. Any number of processes may do it: each look at a rule is claimed by one of them."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from z4j_brain.alerts import measures, telling
from z4j_brain.alerts.models import Alert, Channel, Rule
from z4j_brain.lib import drain
from z4j_brain.lib.listening import Listening

logger = logging.getLogger(__name__)

#: A rule is looked at so often; and so many in one turn.
EVERY = timedelta(seconds=30)
MOST = 200
#: Alerts that are over are remembered for so long; and so many are forgotten in one turn.
KEPT, FORGOTTEN = timedelta(days=90), 500


_listening = Listening()


def turn() -> None:
    """A duty: look at the rules that are due, unless we have only just begun to listen."""
    if _listening.is_settled():
        look(timezone.now())


def look(now: datetime) -> None:
    """Look at the rules that are due."""
    due = Rule.objects.filter(enabled=True, next_at__lte=now).select_related("environment__project")
    for rule in due.order_by("next_at", "pk")[:MOST]:
        if drain.begun():
            return
        if _claim(rule, now):
            _look(rule, now)


def prune() -> None:
    """Forget what was over long ago, with what was told of it; and secrets by which nothing is signed any more."""
    Channel.objects.filter(secret_before_until__lt=timezone.now()).update(secret_before="", secret_before_until=None)
    old = Alert.objects.filter(ended_at__lt=timezone.now() - KEPT).order_by("ended_at")
    if keys := list(old.values_list("pk", flat=True)[:FORGOTTEN]):
        Alert.objects.filter(pk__in=keys).delete()


def _claim(rule: Rule, now: datetime) -> bool:
    """Take this look for this process. Of two that try, one gets it."""
    return bool(Rule.objects.filter(pk=rule.pk, next_at=rule.next_at, enabled=True).update(next_at=now + EVERY))


def _look(rule: Rule, now: datetime) -> None:
    """A rule that cannot be looked at says so, and keeps no other from its turn."""
    try:
        found = measures.of(rule.kind, rule.environment, rule.settings, now, rule.changed_at)
        with transaction.atomic():
            # As it was when it was read: what somebody has changed meanwhile is looked at anew.
            row = Rule.objects.select_for_update().filter(pk=rule.pk, version=rule.version, enabled=True).first()
            if row is not None:
                telling.settle(row, found, now)
                Rule.objects.filter(pk=row.pk).update(checked_at=now, fault="")
    except Exception as error:
        logger.exception("alert_rule_failed rule=%s", rule.pk)
        Rule.objects.filter(pk=rule.pk).update(fault=f"It could not be looked at: {type(error).__name__}.")

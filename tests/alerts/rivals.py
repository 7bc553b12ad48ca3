"""Processes that look at the same rules and send the same messages at the same time.

Run by test_rivals on a database that is thrown away afterwards; ends with 1 and an account when anything was told
twice, or not at all.
"""

from __future__ import annotations

import os
import tempfile
import time
from functools import partial
from pathlib import Path

import django

if __name__ == "__main__":
    django.setup()

from django.conf import settings  # noqa: E402
from django.utils import timezone  # noqa: E402

from tests import rows  # noqa: E402
from tests.audit.receivers import Server  # noqa: E402
from tests.operations.contenders import apart  # noqa: E402
from tests.tasks.rivals import leave, new_key  # noqa: E402
from z4j_brain.alerts import actions, sending, turn  # noqa: E402
from z4j_brain.alerts.models import Alert, Delivery  # noqa: E402
from z4j_brain.alerts.states import ChannelKind  # noqa: E402
from z4j_brain.rbac.actor import SYSTEM  # noqa: E402

RIVALS, RULES = 3, 12


def keep_house(start: float) -> None:
    """Two turns of the duties, each at the same moment as the others'."""
    time.sleep(max(0.0, start - time.time()))
    for _ in range(2):
        turn.look(timezone.now())
        sending.turn()


def whatever_they_do_each_alert_is_told_once() -> None:
    settings.Z4J_PRIVATE_HOSTS = ["localhost", "127.0.0.1"]
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        os.environ["SSL_CERT_FILE"] = str(server.certificate)
        place = new_key().environment
        channel, _ = actions.add_channel(place, "pager", ChannelKind.WEBHOOK, server.address, actor=SYSTEM)
        for number in range(RULES):
            rows.queue(place, name=f"q{number}", depth=900)
            asked = {"name": f"r{number}", "kind": "queue_depth", "settings": {"depth": 100, "queue": f"q{number}"}}
            actions.create_rule(place, asked | {"channels": [channel.pk]}, actor=SYSTEM)
        leave()
        start = time.time() + 0.5
        apart(*(partial(keep_house, start) for _ in range(RIVALS)))
        sending.turn()

        got = [headers["webhook-id"] for _, headers, _ in server.requests]
        assert len(got) == len(set(got)) == RULES, got
        assert Alert.objects.filter(environment=place).count() == RULES
        assert set(Delivery.objects.values_list("state", "attempts")) == {("delivered", 1)}
        server.close()


if __name__ == "__main__":
    whatever_they_do_each_alert_is_told_once()

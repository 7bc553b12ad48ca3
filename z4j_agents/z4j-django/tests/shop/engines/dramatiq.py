from __future__ import annotations

import dramatiq


@dramatiq.actor
def mail(to):
    return None


def send(name):
    return mail.send(name).message_id

from __future__ import annotations

import django_rq


def mail(to):
    return len(to)


def send(name):
    return django_rq.enqueue(mail, name).id

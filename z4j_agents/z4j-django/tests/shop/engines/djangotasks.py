from __future__ import annotations

from django_tasks import task


@task
def mail(to):
    return len(to)


def send(name):
    return mail.enqueue(name).id

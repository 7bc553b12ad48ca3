from __future__ import annotations

from huey.contrib.djhuey import task


@task()
def mail(to):
    return len(to)


def send(name):
    return mail(name).id

"""Real tasks, of Django's own kind."""

from __future__ import annotations

import os
import signal
import time

from shop.settings import BACKPORT, FOLDER

if BACKPORT:
    from django_tasks import task
else:
    from django.tasks import task


@task()
def ok(x):
    return x


@task()
def fail(x):
    raise ValueError(f"cannot take {x}")


@task()
def slow(seconds):
    time.sleep(seconds)


@task()
def hold(name):
    while not (FOLDER / name).exists():
        time.sleep(0.05)


@task()
def die():
    os.kill(os.getpid(), signal.SIGKILL)


@task()
def login(user, password):
    raise PermissionError(f"{user} may not enter with password={password}")


@task()
def count(name):
    with (FOLDER / name).open("a") as file:
        file.write("ran\n")
    return name

from __future__ import annotations

from celery import Celery

app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")


@app.task
def mail(to):
    return len(to)


def send(name):
    return mail.delay(name).id

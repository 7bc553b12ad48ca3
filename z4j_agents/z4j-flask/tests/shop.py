"""A Flask application that sends a task for each request."""

from __future__ import annotations

import os

from celery import Celery
from flask import Flask
from z4j_flask import Z4J

celery = Celery("shop", broker=os.environ["SHOP_BROKER"])


@celery.task(name="shop.mail")
def mail(to):
    raise NotImplementedError("the tests only send it")


app = Flask("shop")
app.config["Z4J"] = {"REDACTION": "redact"}
Z4J(app)


@app.get("/buy/<name>")
def buy(name):
    return {"task": mail.delay(name).id, "pid": os.getpid()}

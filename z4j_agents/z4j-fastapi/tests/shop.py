"""A FastAPI application that sends a task for each request."""

from __future__ import annotations

import os

import z4j_fastapi
from celery import Celery
from fastapi import FastAPI

celery = Celery("shop", broker=os.environ["SHOP_BROKER"])


@celery.task(name="shop.mail")
def mail(to):
    raise NotImplementedError("the tests only send it")


app = FastAPI()
z4j_fastapi.install(app, REDACTION="redact")


@app.get("/buy/{name}")
def buy(name: str):
    return {"task": mail.delay(name).id, "pid": os.getpid()}

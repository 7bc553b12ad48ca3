"""An application with a lifespan of its own, in which it imports its tasks."""

from __future__ import annotations

import importlib
import os
from contextlib import asynccontextmanager

import z4j_fastapi
from fastapi import FastAPI


@asynccontextmanager
async def lifespan(app):
    app.state.tasks = importlib.import_module("late_tasks")
    yield {"open": True}


app = FastAPI(lifespan=lifespan)
z4j_fastapi.install(app)


@app.get("/buy/{name}")
async def buy(name: str):
    return {"task": app.state.tasks.mail.delay(name).id, "pid": os.getpid()}

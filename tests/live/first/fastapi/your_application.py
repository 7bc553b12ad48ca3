"""A FastAPI application whose tasks are Celery's, as it was before z4j, and the place where its line goes."""

from __future__ import annotations

from fastapi import FastAPI
from your_project import letter

app = FastAPI()
# where the application is made


@app.post("/letters")
def letters():
    letter.delay("ann")
    return "sent"

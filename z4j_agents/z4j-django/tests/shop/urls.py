"""Imported with the first request, and the engines' tasks with it."""

from __future__ import annotations

import os

from django.http import JsonResponse
from django.urls import path

from shop import tasks


def buy(request, engine, name):
    return JsonResponse({"task": tasks.send(engine, name), "pid": os.getpid()})


urlpatterns = [path("buy/<engine>/<name>", buy)]

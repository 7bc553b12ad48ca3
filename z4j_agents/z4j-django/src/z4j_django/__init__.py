"""Connects the task engines of a Django project to z4j: `"z4j_django"` in INSTALLED_APPS and `Z4J = {"DSN": ...}`."""

from __future__ import annotations

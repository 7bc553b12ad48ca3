"""Connects the task engines of a Django project to z4j: `"z4j_django"` in INSTALLED_APPS and `Z4J = {"DSN": ...}`.

Which engines those are is found out, by their adapters that are installed. Nothing starts here: the agent starts with
the first task that a process sends, also in a server that forks after the project was loaded, or when a worker starts.
"""

from __future__ import annotations

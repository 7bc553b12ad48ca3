"""A Django project on the engine that ENGINE names, as it was before z4j."""

from __future__ import annotations

import os

if os.environ["ENGINE"] == "celery":
    from your_project.tasks import app as app

"""Makes the tables of the returns desk and becomes its worker, as `manage.py migrate` and `manage.py db_worker` do."""

from __future__ import annotations

import os
import sys

import django
from django.core.management import call_command

os.environ["DJANGO_SETTINGS_MODULE"] = "returns.settings"
django.setup()
call_command("migrate", verbosity=0)
command = ["db_worker", "--interval", "1", "--no-startup-delay", "--queue-name", "default,post"]
os.execv(sys.executable, [sys.executable, "-m", "django", *command])

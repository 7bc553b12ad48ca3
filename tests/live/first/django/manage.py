"""As `django-admin startproject` makes it."""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "your_project.settings")
execute_from_command_line(sys.argv)

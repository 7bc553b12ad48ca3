#!/usr/bin/env python3
"""Django's command line for the brain; `z4j` is the same with first-run set-up."""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "z4j_brain.settings")
    execute_from_command_line(sys.argv)

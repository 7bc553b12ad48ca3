"""The brain's settings for its own tests: a data folder of this process, and the store that Z4J_TEST_STORE names."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# The first process of a run owns its folder; the workers that it starts inherit both names.
os.environ.setdefault("Z4J_TEST_OWNER", str(os.getpid()))
if "Z4J_TEST_FOLDER" not in os.environ:
    os.environ["Z4J_TEST_FOLDER"] = tempfile.mkdtemp(prefix="z4j-tests-")
TEST_FOLDER = Path(os.environ["Z4J_TEST_FOLDER"])
TEST_OWNER = os.environ["Z4J_TEST_OWNER"] == str(os.getpid())
if TEST_OWNER:
    atexit.register(shutil.rmtree, TEST_FOLDER, ignore_errors=True)

os.environ["Z4J_DATA_DIR"] = str(TEST_FOLDER / f"data-{os.getpid()}")
if os.environ.get("Z4J_TEST_STORE", "sqlite") == "postgres":
    os.environ["Z4J_DATABASE_URL"] = "postgres://postgres@/template"  # tests/conftest.py fills in where

from z4j_brain.settings import *  # noqa: E402, F403

ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
# Signing in costs what Argon2 costs; the tests that are not about passwords should not.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

"""The one line that a user writes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import z4j_bare, z4j_huey
from huey import MemoryHuey

huey = MemoryHuey("orders")
print(z4j_huey.attach(huey), *getattr(z4j_bare.agent(), "engines", {}))
"""


@pytest.mark.parametrize(
    ("dsn", "said"), [("https://z4ja_k1_x@brain.invalid/p/e?key=f", "True huey"), ("", "False")], ids=["dsn", "silent"]
)
def test_the_line_connects_the_instance_where_there_is_a_brain(dsn, said, tmp_path):
    environment = os.environ | {"Z4J_DSN": dsn, "Z4J_SPOOL_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == (said, "")

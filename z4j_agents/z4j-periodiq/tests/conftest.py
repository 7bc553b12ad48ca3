"""Test modules here share the rigs; with import mode importlib their folder is not on the path by itself."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

pytest.register_assert_rewrite("z4j_core.testing")

"""Test modules here share `periodic_rig`; with import mode importlib its folder is not on the path by itself."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

pytest.register_assert_rewrite("z4j_core.testing")

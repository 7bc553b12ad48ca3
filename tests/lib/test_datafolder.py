"""The data folder concerns nobody else, whoever makes it and whatever umask they have."""

from __future__ import annotations

import os
import stat

from z4j_brain.lib import datafolder


def test_a_new_data_folder_and_its_secrets_are_the_owners_alone(tmp_path):
    before = os.umask(0o022)
    try:
        secret = datafolder.secret(tmp_path / "deep" / "data", "django")
    finally:
        os.umask(before)

    folder = tmp_path / "deep" / "data"
    modes = [stat.S_IMODE((folder / name).stat().st_mode) for name in ("", "secrets", "secrets/django")]
    assert modes == [0o700, 0o700, 0o600]
    assert datafolder.secret(folder, "django") == secret

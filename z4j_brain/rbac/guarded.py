"""The names of what is done to targets, as the apps above know them: what rules and freezes may be about."""

from __future__ import annotations

ON_TARGETS: set[str] = set()


def on_targets(*names: str) -> None:
    """Called when an app above says what its targets can take."""
    ON_TARGETS.update(names)

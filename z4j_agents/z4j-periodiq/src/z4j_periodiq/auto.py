"""Named after your module on the command line, this connects the scheduler: `periodiq your_app z4j_periodiq.auto`."""

from __future__ import annotations

from z4j_periodiq.actors import install

install()

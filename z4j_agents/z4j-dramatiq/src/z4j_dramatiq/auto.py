"""Named after your module on the command line, this connects the worker: `dramatiq your_app z4j_dramatiq.auto`."""

from __future__ import annotations

import z4j_dramatiq

z4j_dramatiq.install()

"""What every adapter that is installed here can do, as one JSON object: `python -m z4j_core.matrix`.

{"<engine>": {"needs": [str], "cells": {"<verb or read>": {"support": str, "note": str}}}}

From the classes alone: nothing is connected, no broker is asked. What a particular worker can do may be less.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from z4j_core.engine import ENGINE_GROUP, Engine
from z4j_core.verbs import READS, VERBS, Support


def row(adapter: type[Engine], name: str) -> dict[str, str]:
    """One verb or read of one adapter."""
    if not adapter.defines(name):
        return {"support": Support.NONE, "note": adapter.lacks.get(name, "")}
    method: Callable[..., Any] = getattr(adapter, name)
    return {"support": str(getattr(method, "support", Support.NATIVE)), "note": str(getattr(method, "note", ""))}


def adapters() -> dict[str, dict[str, Any]]:
    """Every adapter in this environment, by the name of its engine."""
    return {found.name: _of(found) for found in sorted(entry_points(group=ENGINE_GROUP), key=lambda found: found.name)}


def _of(found: EntryPoint) -> dict[str, Any]:
    adapter: type[Engine] = found.load()
    needs = [line for line in (found.dist.requires or ()) if not line.startswith("z4j-")] if found.dist else []
    return {"needs": needs, "cells": {name: row(adapter, name) for name in (*VERBS, *READS)}}


if __name__ == "__main__":
    json.dump(adapters(), sys.stdout)

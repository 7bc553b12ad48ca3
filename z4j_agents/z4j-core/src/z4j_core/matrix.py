"""What every adapter that is installed here can do, as one JSON object: `python -m z4j_core.matrix`, of schedulers
`python -m z4j_core.matrix schedulers`.

{"<name of the adapter>": {"by": str, "needs": [str], "cells": {"<verb or read>": {"support": str, "note": str}}}}

From the classes alone: nothing is connected, no broker is asked. What a particular worker can do may be less.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from z4j_core.adapter import Adapter
from z4j_core.engine import ENGINE_GROUP
from z4j_core.scheduler import SCHEDULER_GROUP
from z4j_core.verbs import Support


def row(adapter: type[Adapter], name: str) -> dict[str, str]:
    """One verb or read of one adapter."""
    if not adapter.defines(name):
        return {"support": Support.NONE, "note": adapter.lacks.get(name, "")}
    method: Callable[..., Any] = getattr(adapter, name)
    return {"support": str(getattr(method, "support", Support.NATIVE)), "note": str(getattr(method, "note", ""))}


def adapters(group: str) -> dict[str, dict[str, Any]]:
    """Every adapter in this environment, by its name."""
    return dict(_of(found) for found in sorted(entry_points(group=group), key=lambda found: found.name))


def _of(found: EntryPoint) -> tuple[str, dict[str, Any]]:
    adapter: type[Adapter] = found.load()
    needs = [line for line in (found.dist.requires or ()) if not line.startswith("z4j-")] if found.dist else []
    cells = {name: row(adapter, name) for name in (*adapter.verbs, *adapter.reads)}
    return adapter.name, {"by": found.value, "needs": needs, "cells": cells}


if __name__ == "__main__":
    json.dump(adapters(SCHEDULER_GROUP if sys.argv[1:] == ["schedulers"] else ENGINE_GROUP), sys.stdout)

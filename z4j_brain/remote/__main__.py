"""`python -m z4j_brain.remote`: the same commands where nothing is installed but Python."""

from __future__ import annotations

from z4j_brain.remote.command import main

if __name__ == "__main__":
    main()

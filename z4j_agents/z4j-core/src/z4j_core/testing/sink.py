"""Takes what agents send, as the brain does, and has no commands for them."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Sink(http.server.ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Door)
        self.events: list[dict[str, Any]] = []

    @property
    def dsn(self) -> str:
        return f"http://z4ja_sink_secret@127.0.0.1:{self.server_port}/shop/production?key=none"

    def of(self, kind: str, task_id: str | None = None) -> list[dict[str, Any]]:
        return [event for event in self.events if event["kind"] == kind and task_id in (None, event.get("task_id"))]


class _Door(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Sink

    def do_POST(self) -> None:
        batch = json.loads(gzip.decompress(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.events += batch["events"]
        self._answer(200, {"accepted": len(batch["events"]), "duplicates": [], "rejected": [], "time": 0})

    def do_GET(self) -> None:
        self._answer(503, {"title": "no commands here"})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Retry-After", "30")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def listening() -> Iterator[Sink]:
    with Sink() as sink:
        threading.Thread(target=sink.serve_forever, daemon=True).start()
        try:
            yield sink
        finally:
            sink.shutdown()

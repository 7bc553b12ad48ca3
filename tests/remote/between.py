"""Something between a command and the brain that loses answers, as networks do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.brain import Brain

#: What may happen to a request: the brain does it and nobody hears of it; it is to come later; a proxy knows no brain.
LOST, LATER, AWAY = "lost", "later", "away"


class Between(ThreadingHTTPServer):
    """Hands requests on. `mishaps`: what happens to the next POSTs of operations, in their order. `keys`: theirs."""

    def __init__(self, brain: Brain, mishaps: list[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.brain, self.mishaps = brain, mishaps
        self.keys: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Between

    def do_GET(self) -> None:
        self._hand_on()

    def do_POST(self) -> None:
        self._hand_on()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _hand_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        mishap = ""
        if self.command == "POST" and self.path.endswith(("/operations/", "/undo/")):
            self.server.keys.append(self.headers.get("Idempotency-Key", ""))
            mishap = self.server.mishaps.pop(0) if self.server.mishaps else ""
        if mishap == LATER:
            self._answer(429, b'{"title": "Too many", "status": 429}', "0")
            return
        if mishap == AWAY:
            self._answer(502, b"<h1>Bad gateway</h1>")
            return
        sent = {name: self.headers[name] for name in ("Authorization", "Idempotency-Key") if name in self.headers}
        if body:
            sent["Content-Type"] = "application/json"
        status, _, content = self.server.brain.request(self.command, self.path, body or None, headers=sent)
        if mishap != LOST:
            self._answer(status, content)

    def _answer(self, status: int, content: bytes, retry_after: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def between(brain: Brain, *mishaps: str) -> Iterator[Between]:
    with Between(brain, list(mishaps)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()

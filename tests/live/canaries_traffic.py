"""What travels between agents, the brain and a panel's page: recorded whole, both ways."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import threading
import zlib

GZIP = b"\x1f\x8b\x08"


class Recorder:
    """A port through which agents reach the brain. It takes connections also while the brain is away, and ends them."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._streams: list[tuple[str, bytearray]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def text(self, way: str) -> str:
        """All that went `up` or `down`, as it went and with each packed body unpacked."""
        streams = [bytes(stream) for name, stream in list(self._streams) if name == way]
        return "\n".join(stream.decode("latin-1") + unpacked(stream) for stream in streams)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    near.close()
                    continue
                threading.Thread(target=self._connect, args=(near, far), daemon=True).start()

    def _connect(self, near: socket.socket, far: socket.socket) -> None:
        with near, far:
            answers = threading.Thread(target=self._carry, args=("down", far, near), daemon=True)
            answers.start()
            self._carry("up", near, far)
            answers.join()

    def _carry(self, way: str, source: socket.socket, target: socket.socket) -> None:
        stream = bytearray()
        self._streams.append((way, stream))
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                stream.extend(data)
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def unpacked(stream: bytes) -> str:
    """Whatever gzip has packed in there."""
    found, at = [], stream.find(GZIP)
    while at >= 0:
        with contextlib.suppress(zlib.error):
            found.append(zlib.decompressobj(31).decompress(stream[at:]).decode("latin-1"))
        at = stream.find(GZIP, at + 1)
    return "\n".join(found)


class Listener:
    """A page's websocket, and all that it is told."""

    def __init__(self, port: int, cookie: str, place: str) -> None:
        self._heard = bytearray()
        self._socket = socket.create_connection(("127.0.0.1", port))
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["GET /ws/ HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", f"Origin: http://127.0.0.1:{port}"]
        self._socket.sendall("\r\n".join([*lines, f"Cookie: {cookie}", "", ""]).encode())
        wish = f'{{"subscribe": "{place}"}}'.encode()
        self._socket.sendall(bytes([0x81, 0x80 | len(wish), 0, 0, 0, 0]) + wish)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._socket.recv(1 << 16):
                self._heard.extend(data)

    def close(self) -> str:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        return bytes(self._heard).decode("latin-1")

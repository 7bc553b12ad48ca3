"""A line between an agent and a brain that can be bad in every way that a test asks for: real sockets, one thread each
way. Where the brain has several doors it takes any that is open.
"""

from __future__ import annotations

import contextlib
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

REQUEST = re.compile(rb"(?:GET|POST) (/agent/v1/[a-z]+)[? ]")
GATEWAY_TIMEOUT = b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass
class Weather:
    """`cut`: nobody takes a connection. `hole`: what is sent is taken and lost. `late`: seconds each way. `loss`: the
    chance that a packet has to be sent again, and a tenth of it that it takes the connection along. `broken`: how many
    answers are lost with their connection. `patience`: seconds after which a request without an answer is given up.
    `buffers`: an answer is passed on in one piece.
    """

    cut: bool = False
    hole: bool = False
    late: float = 0.0
    loss: float = 0.0
    broken: int = 0
    patience: float = 0.0
    buffers: bool = False


class Proxy:
    def __init__(self, *ports: int) -> None:
        self.weather = Weather()
        self.requests: Counter[str] = Counter()
        self.chance = random.Random(7)
        self._doors = list(ports)
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def become(self, **weather: Any) -> None:
        """Change the weather; a cut takes the connections that stand along."""
        self.weather = Weather(**weather)
        if self.weather.cut:
            for each in list(self._open):
                _reset(each)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.become(cut=True)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = None if self.weather.cut else self._reach()
                if far is None:
                    _reset(near)
                    continue
                line = Line(self, near, far)
                self._open |= {near, far}
                threading.Thread(target=line.upward, daemon=True).start()
                threading.Thread(target=line.downward, daemon=True).start()

    def _reach(self) -> socket.socket | None:
        for port in self.chance.sample(self._doors, len(self._doors)):
            with contextlib.suppress(ConnectionRefusedError):
                return socket.create_connection(("127.0.0.1", port))
        return None


class Line:
    def __init__(self, proxy: Proxy, near: socket.socket, far: socket.socket) -> None:
        self.proxy, self.near, self.far = proxy, near, far
        self.asked_at = 0.0

    def upward(self) -> None:
        with contextlib.suppress(OSError):
            while data := self.near.recv(1400):
                for path in REQUEST.findall(data):
                    self.proxy.requests[path.decode()] += 1
                self.asked_at = time.monotonic()
                self._carry(self.far, data)
        self._end()

    def downward(self) -> None:
        held = b""
        with contextlib.suppress(OSError):
            self.far.settimeout(0.05)  # the other way may have ended already
            while True:
                weather = self.proxy.weather
                try:
                    data = self.far.recv(1400)
                except TimeoutError:
                    data, held = held, b""
                    if not data and self.asked_at and 0 < weather.patience <= time.monotonic() - self.asked_at:
                        self.near.sendall(GATEWAY_TIMEOUT)
                        break
                    if data:
                        self._carry(self.near, data)
                    continue
                self.asked_at = 0.0
                if not data:
                    break
                if weather.broken > 0 and b"accepted" in data:
                    weather.broken -= 1
                    _reset(self.near)
                    break
                if weather.buffers:
                    held += data
                else:
                    self._carry(self.near, held + data)
                    held = b""
        self._end()

    def _carry(self, to: socket.socket, data: bytes) -> None:
        weather, chance = self.proxy.weather, self.proxy.chance
        time.sleep(weather.late)
        if weather.hole:
            return
        if chance.random() < weather.loss:
            time.sleep(0.2)  # as long as TCP waits before it sends again
            if chance.random() < 0.1:
                _reset(self.near)
                raise OSError
        to.sendall(data)

    def _end(self) -> None:
        for each in (self.near, self.far):
            self.proxy._open.discard(each)
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def _reset(connection: socket.socket) -> None:
    """End it as a broken line does: no goodbye."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()

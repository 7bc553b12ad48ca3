"""A page that is open in somebody's browser, without the browser."""

from __future__ import annotations

import base64
import http.cookiejar
import json
import os
import re
import socket
import urllib.parse
import urllib.request

from tests.brain import Brain


def websocket(brain: Brain) -> socket.socket:
    """An open page of somebody signed in, that follows what happens in an environment."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.connect(("127.0.0.1", brain.port))
    line.settimeout(20)
    head = [
        "GET /ws/ HTTP/1.1",
        f"Host: 127.0.0.1:{brain.port}",
        f"Origin: {brain.url}",
        f"Cookie: {signed_in(brain)}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
    ]
    line.sendall("\r\n".join(head).encode() + b"\r\n\r\n")
    assert line.recv(4096).startswith(b"HTTP/1.1 101")
    said = json.dumps({"subscribe": "harbor/production"}).encode()
    line.sendall(bytes([0x81, 0x80 | len(said), 0, 0, 0, 0]) + said)
    assert b"subscribed" in line.recv(4096)
    return line


def signed_in(brain: Brain) -> str:
    """The cookies of somebody who operates."""
    jar = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=None))
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    with browser.open(f"{brain.url}/sign-in/") as page:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.read().decode())
    assert token
    form = {"csrfmiddlewaretoken": token[1], "login": "oscar", "password": brain.cast["password"]}
    with browser.open(f"{brain.url}/sign-in/", urllib.parse.urlencode(form).encode()) as page:
        assert page.status == 200
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)

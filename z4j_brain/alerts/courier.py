"""Takes one message to a chat or paging service, in a process of its own that ends with it.

Libraries for so many services connect, read and start what they like. Here each connection, each file and each process
is asked for first, of the interpreter itself: no address inside a private network is connected to, wherever a name or a
redirect leads; no file is read but the libraries' own, none is written; nothing is started.

What is to be done comes by standard input as JSON, and what came of it leaves by standard output.
"""

from __future__ import annotations

import json
import logging
import mimetypes
import os
import socket
import sys
import sysconfig
from collections.abc import Collection, Mapping
from http.client import HTTPResponse
from typing import Any

from apprise import Apprise, AppriseAsset

from z4j_brain.lib import addresses

_CONNECTS = ("socket.connect", "socket.sendto", "socket.sendmsg")
_STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "socket.bind")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Guard:
    """`private`: names of hosts that may be inside a private network. `refused`: something led there all the same."""

    def __init__(self, private: Collection[str]) -> None:
        self.private = private
        self.refused = False
        self._known: set[str] = set()
        paths = map(sysconfig.get_path, ("stdlib", "purelib", "platlib"))
        self._libraries = tuple(os.path.realpath(path) + os.sep for path in paths)
        self._resolve = socket.getaddrinfo

    def arm(self) -> None:
        """From now on, until the process ends."""
        socket.getaddrinfo = self._resolved
        sys.addaudithook(self._ask)

    def _resolved(self, host: Any, *more: Any, **options: Any) -> Any:
        found = self._resolve(host, *more, **options)
        if isinstance(host, str) and host.lower() in self.private:
            self._known |= {str(info[4][0]) for info in found}
        return found

    def _ask(self, event: str, args: tuple[Any, ...]) -> None:
        if event in _CONNECTS and not self._may_connect(args[1]):
            self.refused = True
            raise PermissionError("an address inside a private network")
        if event == "open" and not self._may_open(*args[:3]):
            raise PermissionError("a file that is no library's")
        if event in _STARTS:
            raise PermissionError(event)

    def _may_connect(self, where: Any) -> bool:
        if not isinstance(where, tuple):
            return False
        try:
            return where[0] in self._known or addresses.is_public(addresses.read(where[0]))
        except ValueError:
            return False

    def _may_open(self, path: Any, mode: Any, flags: Any) -> bool:
        if isinstance(path, int):
            return True
        writes = isinstance(flags, int) and flags & _WRITES or isinstance(mode, str) and set(mode) & set("wax+")
        return not writes and os.path.realpath(os.fsdecode(path)).startswith(self._libraries)


def deliver(asked: Mapping[str, Any]) -> dict[str, Any]:
    """`read`: whether the address is one of a service. `sent`: whether it took the message; `code`: what it answered
    last, where it spoke HTTP. `private`: it leads into a private network.
    """
    codes: list[int] = []
    begin = HTTPResponse.begin

    def noted(self: HTTPResponse) -> None:
        begin(self)
        codes.append(self.status)

    HTTPResponse.begin = noted  # type: ignore[method-assign]
    mimetypes.init()
    guard = Guard(asked["private"])
    guard.arm()
    asset = AppriseAsset(app_id="z4j", app_desc="z4j", app_url="", async_mode=False, http_redirects=False)
    asset.image_url_mask = asset.image_url_logo = ""  # no picture is fetched from elsewhere by whoever reads it
    service = Apprise.instantiate(asked["address"], asset=asset, suppress_exceptions=True)
    if service is not None and not (service.verify_certificate and not service.redirects):
        service = None
    told: dict[str, Any] = {"read": service is not None, "sent": False, "code": None, "private": False}
    if service is not None and "text" in asked:
        try:
            told["sent"] = bool(service.notify(body=asked["text"], title=asked["title"], notify_type=asked["type"]))
        except Exception:  # noqa: BLE001 - what it says may quote the address
            told["sent"] = False
        told |= {"code": codes[-1] if codes else None, "private": guard.refused}
    return told


def main() -> None:
    out, sys.stdout = sys.stdout, sys.stderr
    logging.disable()
    json.dump(deliver(json.load(sys.stdin)), out)


if __name__ == "__main__":
    main()

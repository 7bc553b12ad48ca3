"""Which brain is asked, as whom, and about which environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from z4j_brain.remote.trouble import wrong

_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")
_SLUG = re.compile(r"[-\w]+")


@dataclass(frozen=True, slots=True)
class Place:
    """`url`: the brain's address without a slash at its end. `path`: project/environment."""

    url: str
    token: str
    path: str

    @property
    def is_here(self) -> bool:
        return _is_here(urlsplit(self.url))


def find(url: str | None, token_file: str | None, environment: str | None, given: Mapping[str, str]) -> Place:
    """From the options of a command, else from the variables `given`. A token is never an option: others see those."""
    return Place(_url(url or given.get("Z4J_URL", ""), given), _token(token_file, given), _path(environment, given))


def _url(text: str, given: Mapping[str, str]) -> str:
    if not text:
        raise wrong("Say where the brain is: Z4J_URL=https://z4j.example.com, or --url.")
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise wrong("The brain's address begins with https:// or http://.", "--url")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise wrong("The brain's address has no user, password or query in it; the token is in Z4J_TOKEN.", "--url")
    if parts.scheme == "http" and not _is_here(parts) and given.get("Z4J_INSECURE") != "1":
        raise wrong("http:// would show the token to the network: use https://, or set Z4J_INSECURE=1.", "--url")
    return text.rstrip("/")


def _is_here(parts: SplitResult) -> bool:
    return bool(_LOOPBACK.fullmatch(parts.hostname or ""))


def _token(file: str | None, given: Mapping[str, str]) -> str:
    file = file or ("" if given.get("Z4J_TOKEN") else given.get("Z4J_TOKEN_FILE", ""))
    try:
        token = Path(file).expanduser().read_text().strip() if file else given.get("Z4J_TOKEN", "").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "it is no text"
        raise wrong(f"The token cannot be read from {file}: {reason}.", "--token-file") from None
    if not token:
        raise wrong("Say who you are: a token in Z4J_TOKEN, or in a file named by --token-file.")
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise wrong("That is no token: it is one line that begins with z4ju_.", "--token-file" if file else "Z4J_TOKEN")
    return token


def _path(environment: str | None, given: Mapping[str, str]) -> str:
    project, own = given.get("Z4J_PROJECT", ""), environment or given.get("Z4J_ENVIRONMENT", "")
    words = own.split("/") if "/" in own else [project, own]
    if len(words) != 2 or not all(_SLUG.fullmatch(word) for word in words):
        raise wrong("Say which environment: Z4J_PROJECT and Z4J_ENVIRONMENT, or --environment project/environment.")
    return "/".join(words)

"""The agent's settings, read once: the environment, and above it what a framework adapter hands over."""

from __future__ import annotations

import ipaddress
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from z4j_core.dsn import DSN, InvalidDSN
from z4j_core.policy import Mode

from z4j_bare.database import Unavailable, private_folder
from z4j_bare.seal_keys import InvalidKey, SealKeys

PREFIX: Final = "Z4J_"
NAMES: Final = frozenset(
    {
        "DSN",
        "DSN_PREVIOUS",
        "REDACTION",
        "ALLOW",
        "DENY",
        "READ_ONLY",
        "RATE",
        "SPOOL_DIR",
        "SPOOL_CAP",
        "ENGINES",
        "INSECURE",
        "CODE_VERSION",
        "REQUIRE_PROOF",
        "ACCEPT_GENERATION",
        "SEAL_KEY",
        "SEAL_FINGERPRINT",
    }
)
#: What platforms call the commit they have deployed.
DEPLOYED: Final = ("GIT_COMMIT", "SOURCE_VERSION", "HEROKU_SLUG_COMMIT")
_ACCEPTED: Final = re.compile(r"[0-9]{1,9}(:[0-9]{1,15})?")
SPOOL_CAP: Final = 256 * 1024 * 1024


class InvalidSetting(ValueError):
    """A sentence for the log: what is wrong and how it should be. Never holds a secret."""


@dataclass(frozen=True, slots=True)
class Config:
    dsn: DSN
    previous: DSN | None = None
    #: None: what the environment's policy has for that, and shapes until that has been heard.
    redaction: Mode | None = None
    allow: frozenset[str] = frozenset()
    deny: frozenset[str] = frozenset()
    read_only: bool = False
    #: Commands a minute; 0: as many as come.
    rate: int = 0
    spool_dir: Path | None = None
    spool_cap: int = SPOOL_CAP
    engines: tuple[str, ...] = ()
    #: A command that does not prove that it stands in the brain's audit log is refused.
    require_proof: bool = True
    #: The generation of the brain's audit log that the owner accepts, or that and a size as in 1:207, for each is
    #: accepted once; None: what the recovery key vouches for alone.
    accept_generation: str | None = None
    #: Which release of the user's code runs here, as its deployment calls it.
    code: str = ""
    #: What originals are sealed to, in the mode seal.
    seal: SealKeys = SealKeys()

    @classmethod
    def read(cls, given: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Config | None:
        """None: there is no DSN, so there is no agent. Raises InvalidSetting."""
        settings = {name: environ[PREFIX + name] for name in NAMES if environ.get(PREFIX + name)}
        settings |= {name: value for name, value in given.items() if value is not None}
        if unknown := sorted(settings.keys() - NAMES):
            raise InvalidSetting(f"Z4J has no setting {', '.join(unknown)}.")
        if not settings.get("DSN"):
            return None
        return cls(
            dsn=_dsn("DSN", settings, insecure=_switch(settings, "INSECURE")),
            previous=_dsn("DSN_PREVIOUS", settings, insecure=True) if settings.get("DSN_PREVIOUS") else None,
            redaction=_mode(settings.get("REDACTION")),
            allow=frozenset(_words(settings, "ALLOW")),
            deny=frozenset(_words(settings, "DENY")),
            read_only=_switch(settings, "READ_ONLY"),
            rate=_rate(settings),
            spool_dir=Path(settings["SPOOL_DIR"]) if settings.get("SPOOL_DIR") else None,
            spool_cap=_bytes(settings, "SPOOL_CAP", SPOOL_CAP),
            engines=tuple(_words(settings, "ENGINES")),
            code=_code(settings, environ),
            require_proof=_switch(settings, "REQUIRE_PROOF", default=True),
            accept_generation=_generation(settings),
            seal=_seal(settings),
        )

    def folder(self) -> Path:
        """Where this key keeps its files, made when needed. Raises Unavailable when no place can be written."""
        places = [self.spool_dir] if self.spool_dir else _default_places()
        for place in places:
            try:
                return private_folder(private_folder(place) / self.dsn.kid)
            except Unavailable as error:
                problem = error
        raise problem


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _default_places() -> list[Path]:
    places = [Path(tempfile.gettempdir(), f"z4j-{os.geteuid()}")]
    if state := os.environ.get("XDG_STATE_HOME"):
        places.insert(0, Path(state, "z4j"))
    elif (home := os.path.expanduser("~")) != "~":
        places.insert(0, Path(home, ".local", "state", "z4j"))
    return places


def _dsn(name: str, settings: Mapping[str, Any], *, insecure: bool) -> DSN:
    try:
        dsn = DSN.parse(str(settings[name]))
    except ValueError as error:
        reason = str(error) if isinstance(error, InvalidDSN) else "It does not read as an address."
        raise InvalidSetting(f"{PREFIX}{name} is not usable. {reason}") from None
    if not all(part.isalnum() for part in dsn.kid.split("-")):
        raise InvalidSetting(f"{PREFIX}{name} is not usable. Its key id holds letters and digits only.")
    if dsn.scheme != "https" and not insecure and not is_loopback(dsn.host):
        raise InvalidSetting(f"{PREFIX}{name} is http:// to another host; use https:// or set {PREFIX}INSECURE=1.")
    return dsn


def _mode(value: Any) -> Mode | None:
    if value in (None, ""):
        return None
    if value not in list(Mode):
        raise InvalidSetting(f"{PREFIX}REDACTION is one of: {', '.join(Mode)}.")
    return Mode(value)


def _words(settings: Mapping[str, Any], name: str) -> list[str]:
    """A list, or a text with commas or spaces between the words."""
    value = settings.get(name, ())
    return value.replace(",", " ").split() if isinstance(value, str) else [str(word) for word in value]


def _seal(settings: Mapping[str, Any]) -> SealKeys:
    """Keys and paths are told apart by commas: a path may hold spaces."""
    keys, pinned = (_listed(settings.get(name, ())) for name in ("SEAL_KEY", "SEAL_FINGERPRINT"))
    try:
        return SealKeys.read(keys, pinned)
    except InvalidKey as error:
        raise InvalidSetting(f"{PREFIX}SEAL_KEY or {PREFIX}SEAL_FINGERPRINT is not usable. {error}") from None


def _listed(value: Any) -> list[str]:
    parts = value.split(",") if isinstance(value, str) else [str(part) for part in value]
    return [part.strip() for part in parts if part.strip()]


def _switch(settings: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    value = settings.get(name, default)
    if isinstance(value, str):
        if value.lower() not in ("1", "true", "yes", "on", "0", "false", "no", "off"):
            raise InvalidSetting(f"{PREFIX}{name} is 1 or 0.")
        return value.lower() in ("1", "true", "yes", "on")
    return bool(value)


def _rate(settings: Mapping[str, Any]) -> int:
    value = settings.get("RATE", 0)
    if isinstance(value, bool) or not str(value).isdecimal():
        raise InvalidSetting(f"{PREFIX}RATE is a whole number of commands a minute; 0 sets no limit.")
    return int(value)


def _generation(settings: Mapping[str, Any]) -> str | None:
    value = settings.get("ACCEPT_GENERATION")
    if value is None:
        return None
    if isinstance(value, bool) or not _ACCEPTED.fullmatch(str(value)):
        raise InvalidSetting(
            f"{PREFIX}ACCEPT_GENERATION is the number at the end of the name of the brain's log, such as 2, or that and"
            " the size it was shown with, such as 2:207."
        )
    return str(value)


def _code(settings: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    found = settings.get("CODE_VERSION") or next((environ[name] for name in DEPLOYED if environ.get(name)), "")
    return "".join(sign for sign in str(found) if sign.isprintable())[:64].strip()


def _bytes(settings: Mapping[str, Any], name: str, default: int) -> int:
    try:
        number = int(settings.get(name, default))
    except (TypeError, ValueError):
        number = 0
    if number < 1024 * 1024:
        raise InvalidSetting(f"{PREFIX}{name} is a number of bytes, 1048576 or more.")
    return number

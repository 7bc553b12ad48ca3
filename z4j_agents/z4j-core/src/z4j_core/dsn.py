"""The one line that connects an agent: where the brain is, who we are, and whose commands we obey.

`https://z4ja_<kid>_<secret>@<host>/<project>/<environment>?key=<fingerprint of the instance root>`. The secret itself
never travels: the bearer and the vault key are derived from it (HKDF-SHA256, RFC 5869).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

PREFIX = "z4ja"


class InvalidDSN(ValueError):
    """The DSN is not of the form https://z4ja_<kid>_<secret>@<host>/<project>/<environment>?key=<fingerprint>."""


def hkdf(secret: bytes, info: bytes, length: int = 32) -> bytes:
    """HKDF-SHA256 with an empty salt (RFC 5869): `length` bytes, 8160 at most."""
    prk = hmac.new(b"\0" * 32, secret, hashlib.sha256).digest()
    block, out = b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.new(prk, block + info + bytes([counter]), hashlib.sha256).digest()
        out += block
    return out[:length]


def bearer(kid: str, secret: str) -> str:
    """What travels in `Authorization: Bearer`: the prefix, the key id, and a proof derived from the secret."""
    proof = base64.urlsafe_b64encode(hkdf(secret.encode(), b"auth")).rstrip(b"=").decode()
    return f"{PREFIX}_{kid}_{proof}"


def fingerprint(public_key: bytes) -> str:
    """The pin of an Ed25519 public key (32 bytes): base64url of its SHA-256, without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(public_key).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class DSN:
    scheme: str
    host: str
    port: int
    kid: str
    secret: str
    project: str
    environment: str
    key: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> DSN:
        """Read a DSN. Raises InvalidDSN with a sentence that names what is missing, never the secret."""
        parts = urlsplit(text.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidDSN("A DSN starts with http:// or https:// and names a host.")
        prefix, _, rest = (parts.username or "").partition("_")
        kid, _, secret = rest.partition("_")
        if prefix != PREFIX or not kid or not secret:
            raise InvalidDSN("A DSN carries a key of the form z4ja_<kid>_<secret> before the host.")
        path = [part for part in parts.path.split("/") if part]
        if len(path) < 2:
            raise InvalidDSN("A DSN ends in /<project>/<environment>.")
        key = parse_qs(parts.query).get("key", [""])[0]
        if not key:
            raise InvalidDSN("A DSN pins the brain's root: ?key=<fingerprint>.")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        mount = "/" + "/".join(path[:-2]) if len(path) > 2 else ""
        return cls(parts.scheme, parts.hostname, port, kid, secret, path[-2], path[-1], key, mount)

    def bearer(self) -> str:
        return bearer(self.kid, self.secret)

    def vault_key(self) -> bytes:
        """The 32-byte key of the vault. It never travels."""
        return hkdf(self.secret.encode(), b"vault")

    def seal_key(self) -> bytes:
        """The 32-byte key by which agents of this key know what they have sealed. It never travels."""
        return hkdf(self.secret.encode(), b"seal")

    def __repr__(self) -> str:
        return f"DSN({self.scheme}://{PREFIX}_{self.kid}_***@{self.host}:{self.port}/{self.project}/{self.environment})"

"""Which names stand for secrets: by the words in them, not by whole names.

`db_password`, `userPassword`, `X-Auth-Token`, `DB_PASSWORD1` and `clientsecret` are all found; `token_count`,
`password_changed_at`, `primary_key` and `secretary` are not.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Final

_ZERO_WIDTH: Final = dict.fromkeys([0x00AD, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), 0x2060, 0xFEFF])
#: Of a longer name its beginning and its end are read: what it is about stands there.
LONGEST: Final = 256
#: Letters that do not come apart into a plain one and a mark.
_WHOLE: Final = str.maketrans({"ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ß": "ss", "ı": "i"})
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORDS: Final = _listed(
    """
    password passwords passwd passwds pwd pwds pswd psw pw passphrase passphrases passcode passkey secret
    secrets token tokens credential credentials cred creds cookie cookies authorization authentication auth
    bearer otp totp hotp mfa tfa cvv cvc csc ssn sin iban bic pan jwt jws jwe apikey apikeys pin csrf xsrf
    sessionid sid session nonce mnemonic psk dsn kubeconfig keytab signature hmac pem pfx passport kennwort
    passwort geheimnis contrasena senha wachtwoord heslo haslo parola salasana losenord mdp
    """
)
#: Written together with other words: `userpassword`, `accesstoken`.
_ENDINGS: Final = (
    "password", "passwd", "passphrase", "secret", "token", "credential", "credentials", "apikey", "privatekey",
    "secretkey", "accesskey", "signingkey", "authkey", "masterkey", "sessionid", "sessionkey", "cookie", "cardnumber",
    "accountnumber", "pincode", "passcode", "passwort", "connectionstring", "securitycode", "authcode", "sessid",
)  # fmt: skip
_PAIRS: Final = frozenset(
    tuple(pair.split("+"))
    for pair in _listed(
        """
        api+key private+key access+key secret+key signing+key sign+key encryption+key encrypt+key decryption+key
        master+key account+key shared+key ssh+key license+key licence+key product+key app+key application+key
        client+key consumer+key service+key deploy+key session+key auth+key hmac+key rsa+key aes+key webhook+key
        wrapping+key kms+key storage+key subscription+key publishable+key root+key admin+key server+key
        host+key gpg+key pgp+key jwt+key security+answer security+code secret+answer verification+code recovery+code
        recovery+codes backup+code backup+codes recovery+phrase seed+phrase seed+words auth+code authorization+code
        access+code activation+code confirmation+code reset+code pin+code login+code card+number card+no
        card+num cc+number cc+num credit+card debit+card account+number acct+number bank+account routing+number
        sort+code social+security national+id tax+id national+insurance driver+license drivers+license session+id
        connection+string conn+str conn+string connect+string de+passe pass+phrase pass+word pass+code pass+key
        auth+header auth+headers auth+data auth+string auth+value unlock+code door+code gate+code alarm+code sms+code
        factor+code time+code security+question question+answer
        """
    )
)
#: Words whose value is a secret only when it is text: a `pass` may be a number of a round, `auth` a switch.
_ONLY_TEXT: Final = frozenset(
    {"pass", "auth", "session", "signature", "nonce", "pan", "sin", "bic", "pw", "authentication"}
)
#: A name that ends so speaks about a secret, it is none.
_BENIGN_TAILS: Final = _listed(
    """
    count counts length len size type types kind at on in expires expiry expiration expired limit limits ttl age
    policy enabled disabled required changed updated created rotated verified version usage used strength status
    valid format algorithm alg issuer scope scopes name names field fields url uri endpoint path file filename
    domain attempts retries timeout prefix location method index total min max rate budget cost
    banner consent notice provider backend santa
    """
)
_BENIGN_HEADS: Final = _listed(
    """
    max min num total is has should needs require requires use allow enable no n
    """
)
#: Model vocabulary: a number of tokens is a count.
_COUNTABLE: Final = frozenset({"tokens"})


#: How a pair in disguise, `{"name": "password", "value": ...}`, calls its two parts.
PAIR_NAMES: Final = _listed("name key field header param parameter k label id")
PAIR_VALUES: Final = _listed("value val v content data text")


def _stems() -> tuple[str, ...]:
    """The shortest words without one of which no name is a secret's; of two that stand together, one will do."""
    common = ("key", "code", "account")
    halves = {next((word for word in common if word in pair), max(pair, key=len)) for pair in _PAIRS}
    found = {*_WORDS, *_ENDINGS, *_ONLY_TEXT, *_COUNTABLE, *halves}
    return tuple(sorted(word for word in found if not any(other in word for other in found - {word})))


_STEMS: Final = _stems()


def words(name: str) -> list[str]:
    """The words of a name in lower case: camelCase, snake_case, kebab-case and dots are all seams."""
    plain = unicodedata.normalize("NFKC", name[:LONGEST]).translate(_ZERO_WIDTH)
    plain = plain.translate(_WHOLE)
    plain = "".join(char for char in unicodedata.normalize("NFD", plain) if not unicodedata.combining(char))
    return [word.lower() for word in _WORD.findall(plain) if not word.isdigit()]


def shortened(name: str) -> str:
    """Of a very long name its beginning and its end: most of what a name says stands there."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2 - 1]}_{name[-LONGEST // 2 :]}"


def is_secret(name: str, value: object = "") -> bool:
    """Whether `value`, called `name`, must be hidden."""
    if value is None or value is True or value is False:
        return False
    verdict = _verdict(shortened(name))
    if verdict == "text":
        return issubclass(type(value), (str, bytes, bytearray, dict, list, tuple))
    if verdict == "count":
        return not issubclass(type(value), (int, float))
    return verdict == "secret"


def stands_before(name: str, behind: str, *, of_pair: bool) -> bool:
    """Does a text in a list say what is behind it? The first of a pair does, and an option of a command."""
    return "=" not in name and (of_pair or (name.startswith("-") and not behind.startswith("-")))


def may_name_one(text: str) -> bool:
    """Whether a name in this text can be a secret's. The text is ASCII and in lower case. Much cheaper than to look."""
    for stem in _STEMS:  # noqa: SIM110 - a generator takes three times as long
        if stem in text:
            return True
    return False


@functools.lru_cache(maxsize=4096)
def _verdict(name: str) -> str:
    parts = words(name)
    if not parts or _benign(parts):
        return "no"
    if any(part in _COUNTABLE for part in parts):
        return "count"
    strong = [part for part in parts if part not in _ONLY_TEXT]
    if any(part in _WORDS or part.endswith(_ENDINGS) for part in strong):
        return "secret"
    if any(pair in _PAIRS for pair in zip(parts, parts[1:], strict=False)):
        return "secret"
    return "text" if parts[-1] in _ONLY_TEXT else "no"


def _benign(parts: list[str]) -> bool:
    if len(parts) == 1:
        return False
    return parts[-1] in _BENIGN_TAILS or parts[0] in _BENIGN_HEADS

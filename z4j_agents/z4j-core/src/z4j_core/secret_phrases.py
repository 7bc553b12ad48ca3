"""Secrets that a phrase gives away: options of commands, sentences, markup, SQL, rows that databases quote.

Part of `secret_text`, and linear as everything there: each repetition is bounded, and a pattern is tried only where the
text holds a word that it cannot do without.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Final

from z4j_core.secret_names import is_secret, may_name_one, words

REDACTED: Final = "[redacted]"
#: A value that needs no hiding.
NO_SECRET: Final = re.compile(r"(?:\[redacted[^\]\s]{0,70}\]|None|null|[Tt]rue|[Ff]alse)?[)\]}]*…?")

_OPTION = re.compile(r"(?<![\w-])(--?([A-Za-z][\w-]{0,63})[ \t]{1,3})([\"']?)([^\s\"'-][^\s\"']*)")
#: What an option cannot do without. It begins with what is searched for fastest.
_SOME_OPTION = re.compile(r"-(?<![\w-]-)[-A-Za-z]")
_USER_OPTION = re.compile(r"(?<![\w-])(-u|--user|--proxy-user)([ =]{1,3}[\"']?)([^\s:\"']{0,200}):([^\s\"']+)")
#: Commands that take a password behind a letter.
_COMMAND = re.compile(
    r"(?<![\w-])((?:sshpass|mysql\w{0,10}|mariadb\w{0,10}|mongo\w{0,8}|redis-cli|valkey-cli|smbclient|(?:docker|podman)\s"
    r"login)\s(?:[^\r\n|;&]{0,200}?\s)?-[pa]\s?)([\"']?)([^\s\"'-][^\s\"']*)"
)
_SAID = re.compile(
    r"(?i)(?=[psotak])(?<![\w-])(password|passwd|pwd|passphrase|passcode|secret|token|pin|otp|api key|key)"
    r"([ \t]{1,3}(?:is|was|of|=|to|->)[ \t]{1,3}[\"'`]?|[ \t]{1,3}[\"'`])([^\s\"'`,;]{4,})"
)
#: As above with nothing between: the value has to look much less like a word.
_BESIDE = re.compile(
    r"(?i)(?=[ptsa])(?<![\w-])(password|passwd|pwd|passphrase|passcode|token|secret|"
    r"(?:api|secret|access|private)[ ]?key)([ \t]{1,3}\(?)([^\s\"'`,;()\[\]{}<>:/]{6,})"
)
_CODE = re.compile(
    r"(?i)(?=[cpovsl])(?<![\w-])(cvv2?|cvc2?|pin|otp|passcode|(?:verification|security|one-time|login) code)"
    r"((?:[ \t]{1,3}(?:is|was|of|=|to))?[ \t]{1,3}#?)(\d{3,8})(?![\w.])"
)
#: What the configuration of a server, or a statement of SQL, says of a password.
_TOLD = re.compile(
    r"(?i)(?=[rmiaw])(?<![\w-])(requirepass|masterauth|(?:identified|authenticated) by|with(?: encrypted)? password|"
    r"auth (?:plain|login))([ \t]{1,3}[\"']?)([^\s\"';]+)"
)
#: `('password', 'hunter2')`: a name and its value as an exception, a pair or a list shows them.
_SHOWN_PAIR = re.compile(
    r"([\"'])([A-Za-z-][\w.-]{0,63})\1(,\s{0,3}[bu]?)([\"'])((?:\\.|(?!\4)[^\\\r\n])+)(?=\4(?!\s?:)|\Z)"
)
#: `{"name": "password", "value": "hunter2"}`, as JSON or as Python shows it.
_NAMED = re.compile(
    r"((?<!\w)\\{0,3}[\"'](?:name|key|field|header|param|parameter|k|label|id)\\{0,3}[\"']\s{0,3}:\s{0,3}\\{0,3}[\"']"
    r"([A-Za-z][\w.-]{0,63})\\{0,3}[\"']\s{0,3},\s{0,3}\\{0,3}[\"'](?:value|val|v|content|data|text)\\{0,3}[\"']\s{0,3}:\s{0,3})"
    r"(?:(\\{1,3}[\"'])[^\"'\\\r\n]+|([\"'])(?:\\.|(?!\4)[^\\\r\n])+|[\w.+-]+)"
)
_ELEMENT = re.compile(r"<([A-Za-z][\w:.-]{0,63})(\s[^<>]{0,300})?>([^<>]+)(?=</|\Z)")
_TAG = re.compile(r"<[A-Za-z][^<>]+(?:>|\Z)")
_TAG_NAME = re.compile(r"(?i)\s(?:name|key|id)\s?=\s?[\"']?([\w.-]{1,64})")
_TAG_VALUE = re.compile(r"(?i)(\svalue\s?=\s?)(\"[^\"]*(?:\"|\Z)|'[^']*(?:'|\Z)|[^\s>]+)")
_INSERT = re.compile(r"(?i)(insert\s{1,3}into\s{1,3}[^\s()]{1,200}\s{0,3}\(([^()]{1,2000})\)\s{0,3}values)[^;\r\n]+")
#: A connection string of ODBC: its values may hold spaces.
_ODBC = re.compile(r"(?i)((?:^|;)\s{0,3}(?:password|pwd|account ?key|shared ?access ?key)\s{0,2}=\s{0,2})([^;\r\n]+)")
_SQL = re.compile(r"(\[parameters: |Failing row contains \()[^\r\n]+")
_UNIQUE = re.compile(r"(Key \([^()]{1,200}\)=\()([^()\r\n]+)(\)|\Z)")
_DUPLICATE = re.compile(r"(Duplicate entry ')([^'\r\n]+)('|\Z)")

#: What words of a sentence do not hold.
_UNLIKE_A_WORD: Final = re.compile(r"[\d!@#$%^&*_+=~|\\]")
_DATE: Final = re.compile(r"[\d.:/TZ+-]+")
_SHORTEST_ROW: Final = 11


def redact(text: str, low: str) -> str:
    """The text without them. `low` is the text in lower case, as a pattern without regard to case reads it."""
    if " " in text or "\t" in text:
        text = _sentences(text, low)
    if "-" in text and _SOME_OPTION.search(text):
        text = _USER_OPTION.sub(rf"\1\2\3:{REDACTED}", text)
        text = _OPTION.sub(partial(_option, hidden_as), text)
    if "," in text and ("'" in text or '"' in text) and may_name_one(low):
        text = _SHOWN_PAIR.sub(partial(_shown_pair, hidden_as), text)
        text = _NAMED.sub(partial(_named, hidden_as), text)
    if "<" in text:
        text = _ELEMENT.sub(partial(_element, hidden_as), text)
        if "value" in low:
            text = _TAG.sub(_tag, text)
    if ";" in text and "=" in text and ("password" in low or "pwd" in low or "key" in low):
        text = _ODBC.sub(rf"\1{REDACTED}", text)
    return _rows(text, low) if len(text) >= _SHORTEST_ROW else text


def hidden_as(name: str) -> str:
    """What stands for the value of a name; "" when that is told."""
    return REDACTED if is_secret(name) else ""


def named(text: str, mark: Callable[[str], str]) -> str:
    """The text without the values of options, pairs and elements by whose names `mark` knows what stands for them."""
    text = _OPTION.sub(partial(_option, mark), text) if "-" in text else text
    if "," in text:
        text = _NAMED.sub(partial(_named, mark), _SHOWN_PAIR.sub(partial(_shown_pair, mark), text))
    return _ELEMENT.sub(partial(_element, mark), text) if "<" in text else text


def _sentences(text: str, low: str) -> str:
    if _may_say(low):
        text = _BESIDE.sub(_beside, _SAID.sub(_said, text))
        text = _CODE.sub(rf"\1\2{REDACTED}", text)
    if "pass" in low or "masterauth" in low or " by " in low or "auth " in low:
        text = _TOLD.sub(rf"\1\2{REDACTED}", text)
    if " -p" in text or " -a " in text:
        text = _COMMAND.sub(rf"\1\2{REDACTED}", text)
    return text


def _may_say(low: str) -> bool:
    return (
        "key" in low or "pass" in low or "token" in low or "secret" in low or "pin" in low or "otp" in low
        or "pwd" in low or "cvv" in low or "cvc" in low or " code" in low
    )  # fmt: skip


def _said(match: re.Match[str]) -> str:
    """`the password is hunter2`: only what does not look like a word of the sentence."""
    value = match[3].rstrip(".:;!?)]}")
    if NO_SECRET.fullmatch(match[3].rstrip(".:;!?")) or not (_UNLIKE_A_WORD.search(value) or _is_mixed(value)):
        return match[0]
    return f"{match[1]}{match[2]}{REDACTED}"


def _beside(match: re.Match[str]) -> str:
    """`token 8f3kq02x expired`: letters and digits in one, or a sign that no word holds."""
    value = match[3].rstrip(".:;!?")
    mixes = any(char.isdigit() for char in value) and any(char.isalpha() for char in value)
    if len(value) < 6 or not mixes or _DATE.fullmatch(value) or "=" in value:
        return match[0]
    return f"{match[1]}{match[2]}{REDACTED}"


def _is_mixed(value: str) -> bool:
    """Does it hold small and large letters past its first? A sentence has no such words."""
    rest = value[1:]
    return rest.lower() != rest != rest.upper()


def _option(mark: Callable[[str], str], match: re.Match[str]) -> str:
    told = mark(match[2]) if words(match[2]) and not NO_SECRET.fullmatch(match[4]) else ""
    return f"{match[1]}{match[3]}{told}" if told else match[0]


def _shown_pair(mark: Callable[[str], str], match: re.Match[str]) -> str:
    told = "" if NO_SECRET.fullmatch(match[5]) else mark(match[2].lstrip("-"))
    return f"{match[1]}{match[2]}{match[1]}{match[3]}{match[4]}{told}" if told else match[0]


def _named(mark: Callable[[str], str], match: re.Match[str]) -> str:
    opening = f"{match[1]}{match[3] or match[4] or ''}"
    told = "" if NO_SECRET.fullmatch(match[0][len(opening) :]) else mark(match[2])
    return f"{opening}{told}" if told else match[0]


def _element(mark: Callable[[str], str], match: re.Match[str]) -> str:
    told = "" if NO_SECRET.fullmatch(match[3]) else mark(match[1].rpartition(":")[2])
    return f"<{match[1]}{match[2] or ''}>{told}" if told else match[0]


def _tag(match: re.Match[str]) -> str:
    """`<input name="password" value="hunter2">`."""
    if any(is_secret(name) for name in _TAG_NAME.findall(match[0])):
        return _TAG_VALUE.sub(rf'\1"{REDACTED}"', match[0])
    return match[0]


def _rows(text: str, low: str) -> str:
    """What statements of SQL hold, and what databases tell of the rows that they refused."""
    if "values" in low and "insert" in low:
        text = _INSERT.sub(_insert, text)
    if "[parameters: " in text or "Failing row contains (" in text:
        text = _SQL.sub(rf"\1{REDACTED}", text)
    if "Key (" in text:
        text = _UNIQUE.sub(rf"\1{REDACTED}\3", text)
    return _DUPLICATE.sub(rf"\1{REDACTED}\3", text) if "Duplicate entry '" in text else text


def _insert(match: re.Match[str]) -> str:
    columns = re.findall(r"[\w.-]{1,64}", match[2])
    return f"{match[1]} {REDACTED}" if any(is_secret(column) for column in columns) else match[0]

"""Secrets inside running text: URLs with credentials, name=value pairs, tokens by their prefix, keys, cards, addresses.

What is found is replaced, the text around it stays. All patterns are linear: each repetition is bounded or starts only
at the edge of a run, so a hostile text costs no more than a long one. The prefixes of tokens are public facts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from z4j_core import secret_phrases
from z4j_core.secret_names import may_name_one
from z4j_core.secret_phrases import NO_SECRET, REDACTED, hidden_as

_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}(?:PRIVATE KEY|PGP MESSAGE)[A-Z ]{0,10}-----[\s\S]*?"
    r"(?:-----END [A-Z0-9 ]{1,50}-----|\Z)"
)
#: A long one at the end is the beginning of such a thing: no host has that many characters.
_USERINFO = re.compile(r"(?<![A-Za-z0-9])([A-Za-z][A-Za-z0-9+.-]{1,20}://)(?:([^\s/?#\"'<>]+)@|[^\s/?#\"'<>]{300,}\Z)")
#: A password with a character that does not belong into one: such an address is quoted because it could not be read.
_ODD_USERINFO = re.compile(
    r"(?<![A-Za-z0-9])([A-Za-z][A-Za-z0-9+.-]{1,20}://)[^\s\"'<>:/?#@]{0,64}:(?!\d{1,5}(?:[/?#]|\Z))[^\s\"'<>]{1,512}@"
)
_URL = re.compile(r"(https?://)([\w.-]{1,253})(?::\d{1,5})?(/[^\s\"'<>]+)")
_QUERY = re.compile(r"(?<=[?&;#])(sig|signature|key|code|hash|hmac|auth|state|ticket|assertion|p|k)=([^\s&#\"'<>]{6,})")
_HEADER = re.compile(
    r"(?i)(?=[paw])(?<![\w-])((?:proxy-)?authorization|www-authenticate)(\\{0,3}[\"']?\s{0,3}[:=]\s{0,3}\\{0,3}[\"']?)"
    r"((?:[A-Za-z][A-Za-z0-9-]{1,20}[ \t]{1,3})?[^\s\"'\\,]+)"
)
_COOKIE = re.compile(r"(?i)(?=[sc])(?<![\w-])((?:set-)?cookie2?\s{0,3}:\s{0,3})([^\r\n\"']+)")
_SCHEME = re.compile(
    r"(?i)(?=[btdna])(?<![\w-])(bearer|basic|token|digest|negotiate|apikey)([ \t]{1,3})([\w.~+/=-]{16,})"
)
_NAME = re.compile(r"(?:(?<![\w.-])|(?<=%26))([^\W\d][\w.-]*)\]?\\{0,3}[\"']?\s{0,3}(?:=>|:=|[:=]|%3[Dd])\s{0,3}")
#: What stands after a name: between quotes, between quotes that are escaped themselves, or bare.
_VALUE = re.compile(
    r"[bu]?(?P<triple>\"{3}|'{3})[\s\S]+?(?:(?P=triple)|\Z)|"
    r"[bu]?(?P<long>[\"'])(?:\\.|(?!(?P=long))[^\\]){1,2000}(?=(?P=long))|"
    r"[bu]?(?P<quote>[\"'])(?:\\.|(?!(?P=quote))[^\\\r\n])+|"
    r"(?P<escape>\\{1,3})[bu]?(?P<inner>[\"'])(?:(?!(?<!\\)(?P=escape)(?P=inner))[^\r\n])+|"
    r"(?:[A-Za-z_][\w.]{0,60})?(?P<call>\([^()\r\n]{1,1000}\))|<[^<>\s]{1,500}>|(?:(?!%26)[^\s,;&\"'<>])+",
    re.DOTALL,
)
#: What is hidden already, where the line that ends after it is told by an escape.
_MARKED = re.compile(r"\[redacted[^\]\s]{0,70}\](?=\\[nrt])")
#: A letter beyond ASCII, as JSON writes it.
_ESCAPED = re.compile(r"(?<!\\)\\u(0[01][0-9a-fA-F]{2})")
_OPENING = re.compile(r"\\{0,3}[bu]?[\"']")
_JWT = re.compile(r"(?<![\w-])eyJ[\w-]{8,}(?:\.[\w-]{4,}(?:\.[\w-]*){0,3}|\.?[\w-]{0,3}\Z)")
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@[^\W_](?:[\w-]{0,62})(?:\.[\w-]{1,63}){0,6}\.[^\W\d_]{2,24}")
_DIGITS = re.compile(r"(?<![\w.])\d(?:[ -]?\d){12,18}(?![\w]|\.\d)")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![A-Za-z0-9])")
_SSN = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}(?![\w-])")
_RUN = re.compile(r"(?<![A-Za-z0-9_+/=-])[A-Za-z0-9_+/=-]{24,}(?![A-Za-z0-9_+/=-])")
_HEX = re.compile(r"[0-9a-fA-F-]+")

#: Token formats by prefix; the tail is what follows in the documented alphabet.
_TOKENS: Final = (
    r"(?:sk|rk|pk)_(?:live|test|prod)_[A-Za-z0-9]{10,}", r"whsec_[A-Za-z0-9+/=_-]{16,}",
    r"xox[a-z]-[A-Za-z0-9-]{8,}", r"xoxe\.[A-Za-z0-9.-]{8,}", r"xapp-[A-Za-z0-9-]{8,}",
    r"gh[pousr]_[A-Za-z0-9]{20,}", r"github_pat_\w{20,}", r"gl[a-z]{2,6}-[\w.=-]{16,}",
    r"(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ANVA|AIPA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])",
    r"AIza[\w-]{30,60}", r"ya29\.[\w-]{16,}", r"1//0[\w-]{20,}", r"GOCSPX-[\w-]{16,64}",
    r"SG\.[\w-]{10,64}\.[\w-]{10,128}", r"(?:SK|AC)[0-9a-f]{32}(?![A-Za-z0-9])",
    r"sk-[\w-]{16,}", r"sess-[\w-]{16,}", r"npm_[A-Za-z0-9]{20,}", r"pypi-[\w-]{16,}",
    r"rubygems_[a-f0-9]{20,}", r"\d{6,12}:AA[\w-]{30,40}", r"key-[0-9a-f]{32}(?![A-Za-z0-9])",
    r"[0-9a-f]{32}-us\d{1,2}(?!\d)", r"do[opr]_v1_[a-f0-9]{32,128}", r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{20,64}",
    r"hf_[A-Za-z0-9]{20,64}", r"gsk_[A-Za-z0-9]{20,128}", r"r8_[A-Za-z0-9]{20,64}", r"xai-[A-Za-z0-9]{20,128}",
    r"pplx-[A-Za-z0-9]{20,128}", r"lin_(?:api|oauth)_[A-Za-z0-9]{16,128}", r"secret_[A-Za-z0-9]{24,128}",
    r"ntn_[A-Za-z0-9]{20,128}", r"figd_[\w-]{20,128}", r"dapi[0-9a-f]{32}(?:-\d)?", r"PMAK-[0-9a-f-]{24,128}",
    r"hv[sbr]\.[\w-]{20,}", r"atlasv1\.[\w-]{20,}", r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{20,}",
    r"ATATT3[\w=-]{20,}", r"ATBB[A-Za-z0-9]{16,64}", r"sq0[a-z]{3}-[\w-]{16,128}", r"EAAA[\w-]{20,}",
    r"EAACEdEose0cBA[A-Za-z0-9]{4,}", r"AAAA[\w-]{7}:[\w-]{100,}", r"dckr_pat_[\w-]{16,64}",
    r"NRAK-[A-Z0-9]{20,64}", r"NRJS-[a-f0-9]{16,64}", r"glsa_\w{24,128}", r"glc_[\w+/=-]{24,}",
    r"sntry[su]_[\w+/=.-]{24,}",
    r"phc_[A-Za-z0-9]{20,64}", r"pat-(?:na|eu)\d-[0-9a-f-]{20,64}", r"rdme_[a-z0-9]{24,128}", r"sbp_[a-f0-9]{24,128}",
    r"tfp_[\w-]{20,128}", r"dp\.(?:pt|st|ct|sa)\.[\w.-]{20,128}", r"pul-[a-f0-9]{20,64}", r"sl\.[\w-]{60,}",
    r"fo1_[\w-]{20,64}", r"CFPAT-[\w-]{20,64}", r"key-[A-Za-z0-9]{24,64}",
    r"xkeysib-[a-f0-9]{32,128}(?:-[A-Za-z0-9]{8,32})?", r"mfa\.[\w-]{20,128}",
    r"[MNO][A-Za-z\d]{23,27}\.[\w-]{6}\.[\w-]{27,40}",
    r"z4j[a-z]_[\w-]{8,}", r"AGE-SECRET-KEY-1[A-Z0-9]{20,128}", r"nvapi-[\w-]{20,128}", r"tskey-[a-z]+-[\w-]{8,128}",
    r"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}", r"\$argon2(?:id|i|d)\$[\w=,.+/$-]{20,}",
    r"pbkdf2_sha256\$\d+\$[\w+/=$]{20,}",
    r"LTAI[A-Za-z0-9]{12,30}(?![A-Za-z0-9])", r"AKID[A-Za-z0-9]{13,40}(?![A-Za-z0-9])", r"vault:v\d+:[\w+/=]{16,}",
)  # fmt: skip
#: No format is shorter than 13 characters: most words are passed over at once.
_TOKEN = re.compile(r"(?<![A-Za-z0-9])(?=[\w.$:=+/,-]{13})(?:" + "|".join(_TOKENS) + ")")


#: What no text without a space or a sign is shorter than, if any pattern finds something in it.
_SHORTEST: Final = 13
_SHORTEST_RUN: Final = 24
_SHORTEST_NUMBER: Final = 11
_SHORTEST_SAID: Final = 9
#: One of these stands in whatever is found in a text shorter than that.
_SIGN: Final = re.compile(r"[:=<@]|-(?<![\w-]-)")
#: The characters beyond ASCII that a pattern without regard to case takes for a letter of ASCII.
_FOLDED: Final = (("\u0130", "i"), ("\u0131", "i"), ("\u017f", "s"), ("\u212a", "k"))
#: What the patterns of numbers cannot do without. Each begins with what is searched for fastest.
_SOME_DIGIT = re.compile(r"\d")
_SOME_SSN = re.compile(r"\d\d\d[- ]\d\d[- ]")
_SOME_DIGITS = re.compile(r"\d(?:[ -]?\d){12}")
_SOME_IBAN = re.compile(r"[A-Z][A-Z]\d\d")


def redact(text: str) -> str:
    """The text without its secrets. What it returns is safe to be redacted again: nothing changes.

    A pattern costs time for each character. It is tried only where the text holds what the pattern cannot do without,
    which a search for a plain word tells for next to nothing; most texts need none.
    """
    if len(text) < _SHORTEST and (text.isalnum() or (len(text) < _SHORTEST_SAID and not _SIGN.search(text))):
        return text
    if "-----BEGIN" in text:
        text = _PEM.sub("[private key]", text)
    if "://" in text:
        text = _urls(text)
    if "?" in text and "=" in text or "#" in text:
        text = _QUERY.sub(rf"\1={REDACTED}", text)
    text = _names(text)
    return _by_look(text) if len(text) >= _SHORTEST_NUMBER or "@" in text else text


def named(text: str, mark: Callable[[str], str]) -> str:
    """The text without the values of names by which `mark` knows what stands for them; "" stands for none."""
    return secret_phrases.named(_pairs(text, mark), mark)


def _by_look(text: str) -> str:
    """What is known by its look alone."""
    if len(text) >= _SHORTEST:
        if "eyJ" in text:
            text = _JWT.sub("[jwt]", text)
        if (runs := _runs(text, _SHORTEST)) and _TOKEN.search(runs):
            text = _TOKEN.sub("[token]", text)
    if "@" in text:
        text = _EMAIL.sub("[email]", text)
    if _SOME_DIGIT.search(text):
        text = _numbers(text)
    if len(text) >= _SHORTEST_RUN and (runs := _runs(text, _SHORTEST_RUN)) and _RUN.search(runs):
        text = _RUN.sub(_when(looks_random, "[secret]"), text)
    return text


def _runs(text: str, shortest: int) -> str:
    """Only what stands so long without a space between: a pattern that takes no space finds what it finds in there."""
    return " ".join([run for run in text.split() if len(run) >= shortest])


def _lower(text: str) -> str:
    """The text as a pattern without regard to case reads it."""
    if not text.isascii():
        for letter, plain in _FOLDED:
            text = text.replace(letter, plain)
    return text.lower()


def _urls(text: str) -> str:
    if "@" in text:
        text = _ODD_USERINFO.sub(rf"\1{REDACTED}@", text)
    if "@" in text or len(text) > 300:
        text = _USERINFO.sub(rf"\1{REDACTED}@", text)
    low = _lower(text)
    if "hook" in low or "/bot" in low:
        text = _URL.sub(_webhook, text)
    return text


def _webhook(match: re.Match[str]) -> str:
    """A webhook's path is its secret; so is a bot's."""
    host, path = match[2].lower(), match[3].lower()
    if "hook" in host or "hook" in path.split("?")[0] or path.startswith("/bot"):
        return f"{match[1]}{match[2]}/{REDACTED}"
    return match[0]


def _names(text: str) -> str:
    """Values that stand beside a name which says what they are."""
    if "\\u" in text:
        text = _ESCAPED.sub(_letter, text)
    low = _lower(text)
    if ":" in text or "=" in text or "%3" in text:
        text = _assigned(text, low)
    if _may_hold_scheme(low):
        text = _SCHEME.sub(rf"\1\2{REDACTED}", text)
    return secret_phrases.redact(text, low)


def _may_hold_scheme(low: str) -> bool:
    return len(low) > 20 and (
        "bearer" in low or "basic" in low or "token" in low or "digest" in low or "negotiate" in low or "apikey" in low
    )


def _assigned(text: str, low: str) -> str:
    if "authorization" in low or "authenticate" in low:
        text = _HEADER.sub(_header, text)
    if "cookie" in low:
        text = _COOKIE.sub(rf"\1{REDACTED}", text)
    # A name beyond ASCII is read in its plain form, which is more than its lower case.
    return _pairs(text) if not text.isascii() or may_name_one(low) else text


def _header(match: re.Match[str]) -> str:
    return match[0] if NO_SECRET.fullmatch(match[3].split()[-1]) else f"{match[1]}{match[2]}{REDACTED}"


def _letter(match: re.Match[str]) -> str:
    letter = chr(int(match[1], 16))
    return letter if letter.isalpha() else match[0]


def _pairs(text: str, mark: Callable[[str], str] = hidden_as) -> str:
    """`name=value`, `"name": "value"` and the like. A value whose name says nothing may hold further pairs."""
    told: list[str] = []
    at = 0
    found = _NAME.search(text)
    while found is not None:
        end = found.end()
        if (before := _MARKED.match(text, end)) is not None:
            end = before.end()
        elif (hidden := mark(found[1])) and (value := _VALUE.match(text, end)) is not None:
            told += text[at:end], _hidden(value, hidden)
            at = end = value.end()
        found = _NAME.search(text, end)
    return "".join((*told, text[at:]))


def _hidden(value: re.Match[str], mark: str) -> str:
    """The value without what it says; quotes and closing brackets stay."""
    if value["triple"] or value["call"]:
        return mark
    opening = _OPENING.match(value[0])
    said = value[0][opening.end() :] if opening else value[0]
    if NO_SECRET.fullmatch(said):
        return value[0]
    closing = "" if opening else said[len(said.rstrip(")]}")) :]
    return f"{opening[0] if opening else ''}{mark}{closing}"


def _numbers(text: str) -> str:
    if _SOME_SSN.search(text):
        text = _SSN.sub("[ssn]", text)
    if _SOME_DIGITS.search(text):
        text = _DIGITS.sub(_when(is_card, "[card]"), text)
    return _IBAN.sub(_when(_is_iban, "[iban]"), text) if _SOME_IBAN.search(text) else text


def _when(test: Callable[[str], bool], mask: str) -> Callable[[re.Match[str]], str]:
    return lambda match: mask if test(match[0]) else match[0]


def is_card(text: str) -> bool:
    """Whether the digits are a payment card's: a known first digit, a known length, and the check digit."""
    digits = [int(char) for char in text if char.isdigit()]
    if len(digits) not in (13, 14, 15, 16, 18, 19) or digits[0] not in (2, 3, 4, 5, 6) or len(set(digits)) == 1:
        return False
    if digits[0] == 2 and not 2221 <= int("".join(map(str, digits[:4]))) <= 2720:
        return False
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + doubled) % 10 == 0


def _is_iban(text: str) -> bool:
    plain = text.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1


def looks_random(run: str) -> bool:
    """Whether a long run of letters and digits was drawn by lot: its kinds of character change too often for words."""
    core = run.rstrip("=")
    if _HEX.fullmatch(core) or ("/" in core and len(core) not in (40, 86, 88) and core.count("/") > len(core) / 20):
        return False
    kinds = ["d" if char.isdigit() else "u" if char.isupper() else "l" if char.islower() else "-" for char in core]
    if min(kinds.count("d") + 2, kinds.count("u"), kinds.count("l")) < 3:
        return False
    changes = sum(left != right for left, right in zip(kinds, kinds[1:], strict=False))
    if kinds.count("d") < 3:  # names of classes and functions change from word to word; their words are longer
        runs = [len(run) for run in re.findall("l+", "".join(kinds))]
        return changes > len(core) * 0.45 and sum(runs) < 2.2 * len(runs)
    return changes > len(core) * 0.35

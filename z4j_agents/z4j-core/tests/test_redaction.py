"""What leaves a process holds no secrets, and what is no secret stays readable."""

from __future__ import annotations

import collections
import dataclasses
import enum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from z4j_core import secret_names
from z4j_core.redaction import Parameters, Redactor
from z4j_core.secret_names import is_secret
from z4j_core.secret_text import redact
from z4j_core.wire import MAX_ARGUMENTS

SECRET = "Ginger_OyQN14"
CARD = "4111 1111 1111 1111"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.5mhBHqs5_DTLdINd9p5m7ZJ6XD0Xc55k"

redacting = Redactor("redact")
shapes = Redactor()


@dataclasses.dataclass
class Login:
    username: str
    password: str


class Loud:
    """Tells on itself whenever anybody asks."""

    def __init__(self):
        self.password = SECRET

    def __repr__(self):
        raise AssertionError(SECRET)

    __str__ = __hash__ = __len__ = __repr__

    @property
    def __class__(self):
        raise AssertionError("a lazy object would run its query here")


class Colour(enum.Enum):
    RED = SECRET


Point = collections.namedtuple("Point", "x token")  # noqa: PYI024


SECRET_NAMES = """
    password db_password DB_PASSWORD1 userPassword X-Auth-Token clientsecret aws_secret_access_key api.key smtp_pass
    cvv2 card_number sessionid Set-Cookie pass\u200bword ＰＡＳＳＷＯＲＤ mot_de_passe contraseña otp
"""
PLAIN_NAMES = """
    token_count max_tokens password_changed_at primary_key cache_key secretary author passenger token_type monkey
    is_secret key total_tokens compass
"""


@pytest.mark.parametrize("name", SECRET_NAMES.split())
def test_a_name_with_a_secret_word_in_it_is_secret(name):
    assert is_secret(name, SECRET)


@pytest.mark.parametrize("name", PLAIN_NAMES.split())
def test_a_name_that_only_resembles_one_is_not(name):
    assert not is_secret(name, "value")


@pytest.mark.parametrize(
    "text",
    [
        f"user=app password={SECRET} host=db1",
        f'{{"user": "ann", "password": "{SECRET}", "host=db1": 1}}',
        f"postgresql://app:{SECRET}@db1/prod host=db1",
        f"https://{SECRET}:x-oauth-basic@git.example.com host=db1",
        f"curl -u svc:{SECRET} host=db1",
        f"deploy --password {SECRET} host=db1",
        f"<a><password>{SECRET}</password></a> host=db1",
        f"host=db1 Cookie: theme=dark; session={SECRET}",
        f"host=db1 Authorization: Basic {SECRET}",
        f"host=db1 [parameters: ('ann', '{SECRET}')]",
        f"host=db1 DETAIL:  Key (email)=({SECRET}) already exists.",
        f"the password was {SECRET} on host=db1",
        f"host=db1 https://hooks.slack.com/services/T0/B0/{SECRET}",
        f"host=db1 LoginError: refused: token={SECRET}",
        f"host=db1 msg='no entry with password={SECRET}'",
        f"host=db1 GET https://db1/reset?password={SECRET}&step=2",
        f"""host=db1 {{'password': "it's {SECRET}"}}""",
        f"host=db1 password={'x' * 3000}{SECRET}",
        f'host=db1 {{"password": "a\\"b {SECRET}"}}',
        f"host=db1 KeyError: ('password', '{SECRET}')",
        f"host=db1 Login(user='ann', password=SecretStr('{SECRET}'))",
        f"host=db1 auth=('ann', '{SECRET}')",
        f'host=db1 {{"name": "password", "value": "{SECRET}]"}}',
        f"host=db1 the password is [{SECRET}",
        f"host=db1 password is [redacted]{SECRET}",
        f'host=db1 {{\\"password\\": \\"a\\\\\\"{SECRET}\\"}}',
        f'host=db1 password: "a\n{SECRET}"',
        f"host=db1 hasło={SECRET}",
        f'host=db1 {{"contrase\\u00f1a": "{SECRET}"}}',
        f"postgresql://app:s#{SECRET}@host=db1/prod",
        f"redis://:p/{SECRET}@host=db1:6379/0",
        f"mongodb://u:p@s/{SECRET}?@host=db1/prod",
        f'{{"host=db1": 1, "field": "password", "value": "{SECRET}"}}',
        f"{{'host=db1': 1, 'key': 'db_password', 'value': '{SECRET}'}}",
        f'{{\\"host=db1\\": 1, \\"name\\": \\"token\\", \\"value\\": \\"{SECRET}\\"}}',
        f"mysql -uroot -p{SECRET} -h host=db1",
        f"docker login -u ann --quiet -p {SECRET} host=db1",
        f"the token {SECRET} has expired on host=db1",
        f"password -> {SECRET} host=db1",
        f"host=db1 INSERT INTO users (name, password) VALUES ('ann', '{SECRET}')",
        f'host=db1 <add key="DbPassword" value="{SECRET}"/>',
        f"host=db1;Password=a {SECRET};Uid=ann",
        f"ALTER ROLE ann WITH PASSWORD '{SECRET}' host=db1",
        f"host=db1 user%3Dann%26password%3D{SECRET}%26step%3D2",
    ],
)
def test_a_secret_in_running_text_goes_and_the_text_stays(text):
    clean = redact(text)
    assert SECRET not in clean
    assert "host=db1" in clean or "host" in clean
    assert redact(clean) == clean


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"charge {CARD} now", "charge [card] now"),
        (f"sent {JWT} twice", "sent [jwt] twice"),
        ("mail to ann.lee@mail.example.com please", "mail to [email] please"),
        ("iban DE89370400440532013000.", "iban [iban]."),
        ("key sk_live_pL2Yfx1DxOZpl9CmOrkDtQiK!", "key [token]!"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\nabc", "[private key]"),
    ],
)
def test_what_looks_like_a_secret_is_named_by_its_kind(text, told):
    assert redact(text) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pin is 1234", "pin is [redacted]"),
        ("to\u212aen is 1234", "to\u212aen is [redacted]"),
        ("p\u0130n 'a1b2", "p\u0130n '[redacted]"),
        ("ba\u017fic abc~def~ghi~jkl~", "ba\u017fic [redacted]"),
        ("--pin 1", "--pin [redacted]"),
        ("-u a:b", "-u a:[redacted]"),
        ("<pin>1</pin>", "<pin>[redacted]</pin>"),
        ("a://b@c", "a://b@c"),
        ("ab://c@d", "ab://[redacted]@d"),
        ("123-45-6789", "[ssn]"),
        ("a@b.co", "[email]"),
        ("tok\u212a=1", "tok\u212a=1"),
        ("pin\uff1d1 ＰＩＮ=1", "pin\uff1d1 ＰＩＮ=[redacted]"),
        ("[parameters: {'a': 1}]", "[parameters: [redacted]"),
        ("Duplicate entry 'a'", "Duplicate entry '[redacted]'"),
        ("Key (a)=(b)", "Key (a)=([redacted])"),
    ],
)
def test_the_shortest_text_that_holds_a_secret_is_searched(text, told):
    assert redact(text) == told


class Color(enum.Enum):
    PASSWORD = 1


@pytest.mark.parametrize(
    "value",
    [
        {b"password": SECRET.encode(), b"n": 1},
        [(b"authorization", f"Basic {SECRET}".encode()), (b"host", b"db1")],
        {"name": b"password", "value": SECRET},
        {b"key": "token", b"value": SECRET},
        [b"psql", b"--password", SECRET.encode()],
        {Color.PASSWORD: SECRET},
        ValueError({b"password": SECRET}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_name_is_one_as_bytes_and_as_a_member_of_an_enum_too(value):
    assert SECRET not in redacting.value(value)[0]


def test_no_code_of_a_class_is_run_to_learn_a_size_or_a_beginning():
    def refuse(*_):
        raise AssertionError("asked")

    said = dict.fromkeys(("__len__", "__getitem__", "__iter__", "bit_length", "__str__", "__repr__"), refuse)
    for value in ([1, 2], {"a": 1}, (1, 2), {1}, b"ab", bytearray(b"ab"), 2**300, "ab"):
        odd = type("Odd", (type(value),), said)(value)
        assert redacting.value([odd])[0] and shapes.value([odd])[0]


def test_what_follows_an_option_is_hidden_and_a_line_of_an_environment_is_no_name():
    told = redacting.value(
        {"run": ["psql", "--password", SECRET, "-h", "db1"], "env": [f"PASSWORD={SECRET}", "PATH=/bin"]}
    )
    assert SECRET not in told[0] and "db1" in told[0] and "PATH=/bin" in told[0]
    assert redacting.value(["psql", "--no-password", "-h", "db1"])[0] == "['psql', '--no-password', '-h', 'db1']"


def test_of_a_task_that_only_the_brain_names_no_value_is_told():
    assert redacting.unsure().value({"note": "ann"})[0] == "{'note': str[3]}"


def test_a_word_that_makes_a_name_secret_does_so_in_running_text():
    pairs = ["_".join(pair) for pair in secret_names._PAIRS]
    for name in (*secret_names._WORDS, *secret_names._ENDINGS, *pairs, "auth", "session", "pass", "Tokens"):
        assert redact(f"note {name}={SECRET}") == f"note {name}=[redacted]"


@pytest.mark.parametrize(
    "text",
    [
        "d4b6588a-a87f-9018-1860-8e04f6bec0a2", "12e459a19efc7ecc3989f4d20c0e3e10d755bf8b", "KeyError: 'password'",
        "2026-11-22T19:10:12.123456Z", "https://example.com/a/b?page=2&sort=asc", "4111111111111112",
        "the bearer of this note may pass", "s3://bucket/key/part-0001.parquet", "token_type: bearer",
        "Task app.tasks.rebuild_index[3f] raised MemoryError: out of memory at row 99182",
        "login(password=None)", "wrong password for user2", "secret key missing in section 12",
        "token 2026-11-22 expired",
        "INSERT INTO orders (id, total) VALUES (1, 2)", "a.get('password', None)", "mysql -h db1 -u ann",
        "state: queued: retries=3", "https://example.com/a?b=1:2",
    ],
)  # fmt: skip
def test_what_is_no_secret_is_left_alone(text):
    assert redact(text) == text


def test_arguments_by_position_are_judged_by_their_names():
    def login(self, username, password, *codes):
        """A task."""

    names = Parameters.of(login)
    args, _, _ = redacting.call(names, ("ann", SECRET, SECRET), {})
    assert args == "('ann', [redacted:password], str[13])"


HIDING_PLACES = {
    "nested": lambda: {"users": [{"profile": {"password": SECRET}}]},
    "under a secret name": lambda: {"password": {"next": SECRET}},
    "pair": lambda: ["password", SECRET],
    "pair in disguise": lambda: {"headers": [{"name": "Authorization", "value": SECRET}]},
    "dataclass": lambda: Login("ann", SECRET),
    "namedtuple": lambda: Point(1, SECRET),
    "exception": lambda: ValueError("bad login", {"password": SECRET}),
    "bytes": lambda: f"password={SECRET}".encode(),
    "object": Loud,
    "object in a list": lambda: [Loud(), {Colour.RED}],
    "enum": lambda: Colour.RED,
    "view": lambda: {SECRET: 1}.keys(),
    "number": lambda: 4111111111111111,
    "across the cut": lambda: "x" * (MAX_ARGUMENTS - 8) + f" password={SECRET}",
}


@pytest.mark.parametrize("place", HIDING_PLACES)
@pytest.mark.parametrize("redactor", [redacting, shapes], ids=lambda redactor: redactor.mode)
def test_no_container_hides_a_secret_and_nobodys_code_runs(place, redactor):
    text, _ = redactor.value(HIDING_PLACES[place]())
    assert SECRET[:8] not in text
    assert "4111111111111111" not in text


def test_a_dataclass_keeps_what_is_not_secret():
    assert redacting.value(Login("ann", SECRET)) == ("Login(username='ann', password=[redacted])", False)


@settings(deadline=None)
@given(
    st.recursive(st.text(min_size=4) | st.binary(min_size=4) | st.floats(), lambda inner: st.lists(inner, max_size=4))
)
def test_shapes_tell_no_value(value):
    text, _ = shapes.value({"data": value})
    flat = value if isinstance(value, list) else [value]
    assert all(item not in text for item in flat if isinstance(item, str) and not item.isalnum() and "," not in item)
    assert text.startswith("{'data': ")


def test_shapes_tell_names_sizes_and_kinds():
    args, kwargs, cut = shapes.call(None, (7, "ann", [1.5]), {"note": "hello", "ann@example.com": 1})
    assert (args, kwargs, cut) == ("(int, str[3], [float])", "{'note': str[5], str[15]: int}", [])


@settings(deadline=None)
@given(st.recursive(st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_value_becomes_text_of_bounded_size(value):
    text, _ = redacting.value(value, 200)
    assert len(text) <= 200


def test_what_is_too_large_too_deep_or_too_long_is_cut_and_says_so():
    deep: list[object] = []
    for _ in range(500):
        deep = [deep]
    endless: list[object] = []
    endless.append(endless)
    for value in (deep, endless, ["a"] * 10**5, "long " * 10**5, {f"n{n}": n for n in range(5000)}):
        text, cut = redacting.value(value)
        assert cut
        assert "…" in text


def test_an_error_tells_its_message_without_secrets_and_where_it_was_raised():
    error = raised(redacting)
    assert error["type"] == "ValueError"
    assert error["message"] == "payment by [card] declined by the bank"
    assert "refuse\n" in error["traceback"]
    assert "ConnectionError" in error["traceback"]
    assert "[redacted]@bank" in error["traceback"]


def test_in_shapes_mode_a_message_keeps_only_words_of_the_source():
    error = raised(shapes)
    assert error["message"] == "payment by […] declined by the bank"
    assert "4111" not in str(error)
    assert "bank:" not in str(error)


def test_a_literal_in_the_source_that_is_no_plain_word_does_not_leave_in_shapes_mode():
    try:
        raise RuntimeError("canary-7f3a91 in the coal mine")
    except RuntimeError as error:
        assert shapes.error(error)["message"] == "[…] in the coal mine"


def raised(redactor):
    def refuse(card):
        try:
            raise ConnectionError("no route to https://shop:s3cret@bank:443/")
        except ConnectionError as cause:
            raise ValueError(f"payment by {card} declined by the bank") from cause

    try:
        refuse(CARD)
    except ValueError as error:
        return redactor.error(error)


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="redact, shapes, seal"):
        Redactor("off")

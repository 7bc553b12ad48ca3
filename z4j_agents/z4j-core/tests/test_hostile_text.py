"""No text makes redaction slow: time grows with its length and nothing else."""

from __future__ import annotations

import time

import pytest
from z4j_core.redaction import Redactor
from z4j_core.secret_text import redact

PROBES = [
    "a@", "eyJ", "a://", "a:b@", "sk-", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "password=", "password: ", "a=",
    "<a ", "<password>", "--a ", "--password ", "1 ", "1-", "AB12 ", "((", "[parameters: ", "Failing row contains (",
    "Key (", "\\\\\"", "'", "token is ", "bearer ", "x.", "aA1", "a_", "https://hook/", "?sig=", "&key=", "-u a:",
    "SG.", "0", "Cookie:", "authorization: ", "xoxb-", "eyJaaaaaaaaa.", "$2a$", "a.b@c.", "=\"",
    "Duplicate entry '", "\n", "é", "\u202e", "insert into a (", "insert into a (password) values", "<a name=",
    "<a value=", "mysql -", "docker login ", "sshpass -p ", "password ", "token (", "'password', ", "password=(",
    "password='''", "%3D", "requirepass ", ";password=", "pin 123", "@a.", "password%3Da",
    '"name": "password", "value": ', "'key': ", "authorization: [redacted]", "password: [redacted]\\\\n",
]  # fmt: skip


@pytest.mark.parametrize("probe", PROBES)
def test_eight_times_the_text_takes_about_eight_times_as_long(probe):
    small, large = (probe * (size // len(probe)) for size in (16_000, 128_000))
    redact(small)
    assert cpu(redact, large) < 40 * cpu(redact, small) + 0.05


@pytest.mark.parametrize("probe", PROBES)
def test_a_hostile_argument_costs_less_than_a_tenth_of_a_second(probe):
    text = probe * (1_000_000 // len(probe))
    assert cpu(Redactor("redact").value, {"note": text, "list": [text] * 50}) < 0.1


def cpu(function, argument):
    best = 9.0
    for _ in range(2):
        start = time.thread_time()
        function(argument)
        best = min(best, time.thread_time() - start)
    return best

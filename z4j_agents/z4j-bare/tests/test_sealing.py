"""Sealing: what the brain keeps of an original opens on a worker with the key, for its own task, and nowhere else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import stat
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from z4j_bare import seal_keys, sealing
from z4j_bare.cli import main
from z4j_bare.config import Config, InvalidSetting
from z4j_bare.sealing import Place, Unopened, Why
from z4j_core import policy, wire
from z4j_core.dsn import DSN
from z4j_core.engine import Answer
from z4j_core.testing.toy import Toy

KEY = X25519PrivateKey.from_private_bytes(bytes(range(32)))
HERE = DSN.parse("https://z4ja_k1_" + "s" * 43 + "@brain.test/harbor/production?key=f")
PLACE = Place("harbor", "production", "toy", "shop.pay", "t1")
CANARY = b"4111-1111-canary"


def opened(sealed, place=PLACE, keys=(KEY,), dsns=(HERE,)):
    return sealing.unseal(keys, dsns, place, sealed)


def refused(sealed, place=PLACE, keys=(KEY,), dsns=(HERE,)):
    with pytest.raises(Unopened) as found:
        opened(sealed, place, keys, dsns)
    assert str(found.value).endswith("."), "a sentence"
    return found.value.code


@given(st.binary(max_size=11_000), st.text(max_size=300), st.text(max_size=200))
@settings(max_examples=60, deadline=None)
def test_what_was_sealed_for_a_task_opens_for_that_task_and_for_no_other(original, name, task_id):
    place = PLACE._replace(name=name, task_id=task_id)
    sealed = sealing.seal(KEY.public_key(), HERE, place, original)
    assert opened(sealed, place) == original
    assert refused(sealed, place._replace(task_id=task_id + "0")) == Why.ALTERED
    assert refused(sealed, place._replace(name=name[1:] + "x", task_id=name[:1] + task_id)) == Why.ALTERED


@pytest.mark.parametrize("part", Place._fields)
def test_a_blob_that_was_moved_is_refused(part):
    sealed = sealing.seal(KEY.public_key(), HERE, PLACE, CANARY)
    assert refused(sealed, PLACE._replace(**{part: "other"})) == Why.ALTERED


def test_a_blob_that_is_known_opens_for_ever():
    """Made once by this format: whoever changes the format has to keep opening what is stored in its first version."""
    blob = (
        "ATd0MklQYUNwUlJXVDNBbzQCazHwkztb5kSkqheCvetr0Z2545UFL/DnBRh61u46x2ZCI0U8JwdfRLsn8Lx3KXh/6zCp7If2wYtA"
        "K4M3fBctSg4Jv0p/NydZfOwq3dzo+ZPi0eXKJgmuBjoMlIZieQ/mSpcFtPkOjh+pe4v4HFUJxvmXGUKpytJw2rly/97aEP44bLMt"
        "mTgHacpOXHvpVa8Ox7cV/6w+61H1A8ZMZU++GHsavtGoYFOJr6WwdaioQNpuyFe6mdhGTMGSObPKN4JubAuPV6g5pMHi3uFwEnty"
        "7g9w9s0QvRNyQavK6GnW4BircsYcwg9DOX+wgfWqpq1i67p9w9fz8gOQtq9YCQyvFaZjSi9PtMxPPmWsgvxj97mp7NvGMdn9vZ3N"
        "A8V5dXqAyI5/QTNqGUb5+vUopl8ohvZc"
    )
    assert opened({"kid": seal_keys.kid_of(KEY.public_key()), "blob": blob}) == b'{"args": [1, "known"]}'


def test_no_bit_of_a_blob_can_be_changed():
    sealed = sealing.seal(KEY.public_key(), HERE, PLACE, CANARY)
    raw = base64.b64decode(sealed["blob"])
    for at in range(len(raw)):
        changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        assert refused(sealed | {"blob": base64.b64encode(changed).decode()})
    for cut in (0, 1, 17, 18, 20, 60, len(raw) - 1):
        assert refused(sealed | {"blob": base64.b64encode(raw[:cut]).decode()})


@pytest.mark.parametrize(
    "sealed",
    [None, {}, {"kid": "k"}, {"kid": "k" * 17, "blob": "AA=="}, {"kid": "k", "blob": "%"}, {"kid": 1, "blob": b"x"},
     {"kid": "k", "blob": "A" * 16_388}, {"kid": "k", "blob": "AA==", "more": 1}],
)  # fmt: skip
def test_what_is_no_blob_is_refused(sealed):
    assert refused(sealed) == Why.UNREADABLE


def test_the_public_key_alone_forges_nothing():
    """As a brain could that has the public key and knows every name, but no secret of an agent."""
    stranger = replace(HERE, secret="brain")
    assert refused(sealing.seal(KEY.public_key(), stranger, PLACE, b"forged")) == Why.FORGED
    kid, agent = seal_keys.kid_of(KEY.public_key()).encode(), HERE.kid.encode()
    info = sealing._info(PLACE, HERE.kid)
    guess = hmac.digest(hashlib.sha256(HERE.secret.encode()).digest(), info, "sha256")
    body = sealing.SUITE.encrypt(guess + (6).to_bytes(4, "big") + b"forged", KEY.public_key(), info=info)
    blob = bytes([1]) + kid + bytes([len(agent)]) + agent + body
    assert refused({"kid": kid.decode(), "blob": base64.b64encode(blob).decode()}) == Why.FORGED


def test_the_key_before_still_opens_and_others_say_what_is_missing():
    old, new = seal_keys.make(), seal_keys.make()
    sealed = sealing.seal(old.public_key(), HERE, PLACE, CANARY)
    assert opened(sealed, keys=(new, old)) == CANARY
    assert refused(sealed, keys=(new,)) == Why.NO_KEY
    after = replace(HERE, kid="k2", secret="n" * 43)
    assert opened(sealed, keys=(old,), dsns=(after, HERE)) == CANARY
    assert refused(sealed, keys=(old,), dsns=(after,)) == Why.OTHER_AGENT


def test_sizes_are_rounded_up_and_what_is_too_large_is_not_sealed():
    sizes = {len(sealing.seal(KEY.public_key(), HERE, PLACE, b"x" * size)["blob"]) for size in range(0, 200, 11)}
    assert len(sizes) == 1
    assert len(sealing.seal(KEY.public_key(), HERE, PLACE, b"x" * 11_900)["blob"]) <= wire.MAX_STRING
    assert sealing.seal(KEY.public_key(), HERE, PLACE, b"x" * 13_000) is None


# ── The agent ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Shop(Toy):
    """Retries with what the host has of the task, and remembers it."""

    def retry(self, target, params):
        original = self.host.original(target.task_id)
        if original is None:
            return Answer(wire.Outcome.ARGS_UNAVAILABLE, "Nobody kept them.")
        self.done.append((target.task_id, original))
        return Answer(wire.Outcome.DONE, "", target.new_task_id())


def tell(agent, task_id="t1", original=CANARY, name="shop.pay", **more):
    vault = agent.keep(task_id, original)
    agent.emit({"kind": "task.received", "engine": "toy", "task_id": task_id, "name": name, "vault": vault, **more})


def received(brain, wait_for, task_id="t1"):
    wait_for(lambda: task_id in brain.task_ids())
    return next(event for event in brain.stored.values() if event.get("task_id") == task_id)


def online(brain, wait_for):
    wait_for(lambda: "agent.online" in brain.kinds())
    return next(event["data"] for event in brain.stored.values() if event["kind"] == "agent.online")


def asking(**said):
    """A policy that asks for this and for nothing else."""
    said = {"mode": "redact", "default": "redact", "tasks": [], "rules": [], "seal_key": ""} | said
    return {**said, "version": policy.version(said)}


@pytest.fixture
def worker(make_agent, wait_for, brain):
    def start(**given):
        agent = make_agent(**{"REDACTION": "seal", "SEAL_KEY": seal_keys.write(KEY)} | given)
        agent.add(Shop())
        agent.role("worker", "w@h")
        wait_for(lambda: agent._boot.id in brain.boots())
        return agent

    return start


def retry(agent, brain, wait_for, sealed, **changes):
    """What is answered to a retry of a task whose original is in nobody's vault."""
    target = {"item": 1, "task_id": "t1", "name": "shop.pay", "sealed": sealed} | changes
    command = brain.command(agent._boot.id, targets=[target])
    brain.send(agent._boot.id, command)
    wait_for(lambda: any(told["command"] == command["id"] for told in brain.results))
    return next(told["results"][0] for told in brain.results if told["command"] == command["id"])


def forget(agent):
    agent.flush(2)
    agent._boot.vault.file.write(lambda db: db.execute("DELETE FROM original"))


def test_a_retry_works_from_the_sealed_original_after_the_vault_is_gone(worker, brain, wait_for):
    agent = worker()
    tell(agent)
    sealed = received(brain, wait_for)["sealed"]
    assert sealed["kid"] == seal_keys.kid_of(KEY.public_key())
    forget(agent)
    assert agent.original("t1") is None
    assert retry(agent, brain, wait_for, sealed)["outcome"] == "done"
    assert agent.engines["toy"].done == [("t1", CANARY)]
    assert agent.original("t1") is None, "it was lent for that act only"


def test_a_blob_that_is_not_this_tasks_is_refused_and_nothing_is_done(worker, brain, wait_for):
    agent = worker()
    tell(agent)
    sealed = received(brain, wait_for)["sealed"]
    forget(agent)
    for changes in ({"task_id": "t2"}, {"name": "shop.refund"}):
        told = retry(agent, brain, wait_for, sealed, **changes)
        assert (told["outcome"], told["code"]) == ("refused", "seal_altered")
    stranger = replace(DSN.parse(brain.dsn), secret="brain")
    forged = sealing.seal(KEY.public_key(), stranger, PLACE, b"forged")
    assert retry(agent, brain, wait_for, forged)["code"] == "seal_forged"
    other = sealing.seal(seal_keys.make().public_key(), DSN.parse(brain.dsn), PLACE, CANARY)
    told = retry(agent, brain, wait_for, other)
    assert (told["outcome"], told["code"]) == ("args_unavailable", "seal_no_key")
    assert "Z4J_SEAL_KEY" in told["detail"]
    assert agent.engines["toy"].done == []


@pytest.mark.parametrize("mode", ["shapes", "redact"])
def test_in_other_modes_nothing_is_sealed(worker, brain, wait_for, mode):
    tell(worker(REDACTION=mode))
    event = received(brain, wait_for)
    assert "sealed" not in event
    assert "truncated" not in event


def test_what_is_too_large_to_travel_says_so_and_stays_in_the_vault(worker, brain, wait_for):
    agent = worker()
    tell(agent, original=b"x" * 20_000, truncated=["args"])
    event = received(brain, wait_for)
    assert "sealed" not in event
    assert event["truncated"] == ["args", "sealed"]
    assert agent.original("t1") == b"x" * 20_000


def test_an_event_that_is_too_large_loses_the_blob_first(worker, brain, wait_for):
    agent = worker()
    tell(agent, original=b"x" * 11_000, error={"type": "E", "message": "m", "traceback": "t" * 16_000}, args="a" * 4000)
    event = received(brain, wait_for)
    assert event["truncated"] == ["sealed"]
    assert len(event["error"]["traceback"]) == 16_000


def test_nothing_of_an_original_is_in_a_file_or_on_the_wire(worker, brain, wait_for, tmp_path):
    agent = worker()
    tell(agent)
    received(brain, wait_for)
    agent.flush(2)
    for path in (tmp_path / "spool").rglob("*.*"):
        assert CANARY not in path.read_bytes()
    assert CANARY.decode() not in json.dumps([batch for batch, _, _ in brain.batches])


def test_the_brain_learns_the_public_key_and_never_the_private_one(worker, brain, wait_for):
    old = seal_keys.make()
    agent = worker(SEAL_KEY=f"{seal_keys.write(KEY)}, {seal_keys.write(old)}")
    data = online(brain, wait_for)
    assert data["seal_key"] == seal_keys.tell(KEY.public_key())
    assert data["seal_kids"] == [seal_keys.kid_of(key.public_key()) for key in (KEY, old)]
    assert seal_keys.PREFIX not in json.dumps([batch for batch, _, _ in brain.batches])
    assert seal_keys.PREFIX not in repr(agent.config)


def test_without_the_private_key_only_the_pinned_one_is_sealed_to(worker, brain, wait_for):
    pinned = {"SEAL_KEY": None, "SEAL_FINGERPRINT": seal_keys.print_of(KEY.public_key())}
    agent = worker(**pinned)
    agent.policies.hear(asking(seal_key=seal_keys.tell(KEY.public_key())))
    tell(agent)
    assert received(brain, wait_for)["sealed"]["kid"] == seal_keys.kid_of(KEY.public_key())
    agent.policies.hear(asking(seal_key=seal_keys.tell(seal_keys.make().public_key())))
    tell(agent, "t2")
    assert "sealed" not in received(brain, wait_for, "t2"), "a key that was swapped on the way is not sealed to"
    assert [problem["code"] for problem in agent.problems.told()] == ["seal_key_swapped"]


def test_the_policy_says_which_tasks_are_sealed(worker, brain, wait_for):
    agent = worker(REDACTION="redact")
    agent.policies.hear(asking(tasks=[["shop.*", "seal"]]))
    tell(agent)
    tell(agent, "t2", name="mail.send")
    assert "sealed" in received(brain, wait_for)
    assert "sealed" not in received(brain, wait_for, "t2")


def test_a_worker_that_is_to_seal_and_has_no_key_says_so(worker, brain, wait_for):
    agent = worker(SEAL_KEY=None)
    assert [problem["code"] for problem in online(brain, wait_for)["problems"]] == ["seal_key_missing"]
    tell(agent)
    assert "sealed" not in received(brain, wait_for)


def test_what_waits_for_its_event_is_bounded(worker):
    agent = worker()
    for number in range(1000):
        agent.keep(f"t{number}", CANARY)
    assert len(agent.sealer._kept) <= 64


# ── Keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def read(**given):
    return Config.read({"DSN": "https://z4ja_k1_s@brain.test/harbor/production?key=f"} | given, {})


def test_a_key_is_made_into_a_file_that_only_its_owner_reads(tmp_path, capsys):
    path = tmp_path / "seal.key"
    assert main(["keys", "init", "--out", str(path)]) == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = capsys.readouterr().out
    assert seal_keys.PREFIX not in told
    (key,) = read(SEAL_KEY=str(path)).seal.private
    assert seal_keys.print_of(key.public_key()) in told
    assert main(["keys", "init", "--out", str(path)]) == 1, "no key is ever overwritten"
    assert main(["keys", "init"]) == 0
    assert f"Z4J_SEAL_KEY={seal_keys.PREFIX}" in capsys.readouterr().out


@pytest.mark.parametrize("given_key", ["z4js_QQ", "z4js_AAAA", "/no/such/file", "z4js_" + "!" * 43, "\0"])
def test_a_key_that_is_none_is_said_without_telling_it(given_key):
    with pytest.raises(InvalidSetting) as found:
        read(SEAL_KEY=given_key)
    assert given_key not in str(found.value)


def test_a_pin_that_is_not_of_the_key_at_hand_is_a_mistake():
    with pytest.raises(InvalidSetting):
        read(SEAL_KEY=seal_keys.write(KEY), SEAL_FINGERPRINT="other")

"""What `check` and `z4j_doctor` say of an engine: an adapter made for the tests, and the real ones."""

from __future__ import annotations

import json

import pytest
from z4j_core.testing.sink import listening

DSN = "http://z4ja_k1_secret@127.0.0.1:9/harbor/production?key=pin"
TOY = """
from __future__ import annotations
from z4j_core.engine import Advice, Engine
class Toy(Engine):
    name = "toy"
    def version(self):
        return "1.9"
    def advice(self):
        return [Advice("acks-early", "Toys are acknowledged early.", "Set late.")]
"""


@pytest.fixture
def toy(shop):
    """An engine that the project imports, with an adapter that is installed: outside its bounds, and full of advice."""
    info = shop.folder / "z4j_toy-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: z4j-toy\nVersion: 1\nRequires-Dist: toy>=2,<3\n")
    (info / "entry_points.txt").write_text("[z4j.engines]\ntoy = z4j_toy:Toy\n")
    (shop.folder / "z4j_toy.py").write_text(TOY)
    (shop.folder / "toy.py").write_text("")
    (shop.folder / "toyshop.py").write_text("from shop.settings import *\nimport toy\n")
    shop.environ["PYTHONPATH"] += f":{shop.folder}"
    shop.environ |= {"DJANGO_SETTINGS_MODULE": "toyshop", "Z4J_DSN": DSN}
    return shop


def check(shop, *more, **environ):
    code, _, err = shop.manage("check", "--tag", "z4j", *more, **environ)
    return code, err


def test_a_release_outside_the_bounds_is_a_warning_with_both_numbers(toy):
    code, err = check(toy)
    assert code == 0
    assert "(z4j.W005) toy 1.9 is installed; its adapter was tried with >=2,<3." in err
    assert "acks-early" not in err


def test_advice_is_given_to_a_deployment_and_can_be_silenced_by_its_code(toy):
    code, err = check(toy, "--deploy")
    assert code == 0
    assert "toy: (z4j.toy.acks-early) Toys are acknowledged early." in err
    assert "HINT: Set late." in err
    with (toy.folder / "toyshop.py").open("a") as settings:
        settings.write('SILENCED_SYSTEM_CHECKS = ["z4j.toy.acks-early", "z4j.W005"]\n')
    assert check(toy, "--deploy")[1] == ""


def test_an_adapter_that_cannot_be_imported_or_is_of_another_port_is_a_warning(toy):
    (toy.folder / "z4j_toy.py").write_text("import no_such_module\n")
    code, err = check(toy)
    assert code == 0
    assert "(z4j.W004) The adapter of toy cannot be imported (ModuleNotFoundError)" in err
    (toy.folder / "z4j_toy.py").write_text(TOY + "    port = 2\n")
    assert "is made for port 2" in check(toy)[1]


def test_every_engine_here_passes_the_check(shop):
    """Nothing of theirs is a warning but their advice."""
    environ = {"SHOP_ENGINES": "celery djangotasks dramatiq huey rq", "Z4J_DSN": DSN}
    assert check(shop, **environ) == (0, "")
    code, err = check(shop, "--deploy", **environ)
    assert code == 0
    assert "z4j.W" not in err


def test_workers_that_would_not_be_seen_are_an_advice(shop):
    (shop.folder / "plain.py").write_text("from shop.settings import *\nRQ = {}\n")
    shop.environ["PYTHONPATH"] += f":{shop.folder}"
    _, err = check(shop, "--deploy", SHOP_ENGINES="rq", DJANGO_SETTINGS_MODULE="plain", Z4J_DSN=DSN)
    assert "z4j.rq.unwatched-workers" in err


def test_the_doctor_ends_with_1_and_names_the_first_hop_that_fails(shop):
    with listening() as sink:
        code, out, err = shop.manage("z4j_doctor", "--seconds", "1", SHOP_ENGINES="huey rq", Z4J_DSN=sink.dsn)
    assert (code, err) == (1, "")
    assert "ok       port: " in out
    assert "failed   brain: " in out
    assert "What to do: " in out
    assert "Observed here: huey" in out
    assert "The broker of huey answers." in out
    assert "The broker of rq answers." in out
    assert out.endswith("\nNot well. Begin with: brain.\n")
    assert "hello" not in out, "nothing is sent where nobody can look for it"


def test_the_doctor_looks_at_one_engine_and_can_answer_in_json(shop):
    code, out, _ = shop.manage("z4j_doctor", "--engine", "rq", "--json", SHOP_ENGINES="huey rq", Z4J_DSN=DSN)
    assert code == 1
    hops = {hop["name"]: hop for hop in json.loads(out)}
    assert not hops["port"]["ok"]
    assert hops["engines"]["text"].startswith("Observed here: rq")


@pytest.mark.parametrize(
    ("settings", "words"),
    [("Z4J = 'x'", "Z4J is not a dictionary"), ("Z4J = {}", "There is no DSN"), ("Z4J = {'A': 1}", "no setting A")],
)
def test_the_doctor_says_so_when_the_settings_are_the_trouble(shop, settings, words):
    (shop.folder / "wrong.py").write_text(f"from shop.settings import *\n{settings}\n")
    shop.environ["PYTHONPATH"] += f":{shop.folder}"
    code, out, err = shop.manage("z4j_doctor", DJANGO_SETTINGS_MODULE="wrong")
    assert code == 1
    assert words in out + err

"""The units for systemd: it understands them, what they start is there, and a stop is waited for."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.deploy import commands
from z4j_brain import server

UNITS = [*commands.files("systemd", "*.service"), *commands.files("systemd", "*.timer")]
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
RUNNING = [unit for unit in SERVICES if unit.name != "z4j-backup.service"]
PROGRAM = "/opt/z4j/bin/z4j"


def read(unit: Path) -> ConfigParser:
    parser = ConfigParser(strict=False, interpolation=None, comment_prefixes="#")
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(unit)
    return parser


def named(unit: Path) -> str:
    return unit.name


def test_systemd_finds_nothing_wrong_with_them(tmp_path):
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("there is no systemd-analyze")
    for unit in UNITS:
        name = unit.name.replace("@.", "@1.")
        (tmp_path / name).write_text(unit.read_text().replace(PROGRAM, sys.executable))
    done = subprocess.run([program, "verify", *tmp_path.iterdir()], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", SERVICES, ids=named)
def test_each_starts_a_command_that_is_there_as_nobody_in_particular(unit):
    service = read(unit)["Service"]
    started = re.search(rf"{PROGRAM} ([^']+)", service["ExecStart"])
    assert started
    commands.check(*re.sub(r"\$\$\(.*?\)", "now", started[1]).split())
    assert (service["User"], service["NoNewPrivileges"], service["ProtectSystem"]) == ("z4j", "yes", "strict")
    assert service["CapabilityBoundingSet"] == "" and service["EnvironmentFile"] == "/etc/z4j/z4j.env"
    assert {service["Environment"].split("=")[0]} <= commands.settings()


@pytest.mark.parametrize("unit", RUNNING, ids=named)
def test_a_stop_is_given_the_time_that_draining_takes(unit):
    service = read(unit)["Service"]
    assert int(service["TimeoutStopSec"]) >= server.DRAIN_AT_MOST + 5
    assert (service["KillMode"], service["Restart"]) == ("mixed", "always")


def test_there_is_a_unit_for_each_way_to_run():
    assert {read(unit)["Service"]["ExecStart"].split()[1] for unit in RUNNING} == set(commands.ROLES)

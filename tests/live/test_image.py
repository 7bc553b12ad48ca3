"""The Dockerfile, replayed without Docker in a clean root: what it builds starts, serves, keeps data and ends well."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import replay
import yaml

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct-horse-7"
#: Run by the image's own Python: signs in as a browser does, and prints the page that it comes to.
SIGN_IN = f"""
import re, urllib.parse, urllib.request
browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
page = browser.open("http://127.0.0.1:7700/sign-in/").read().decode()
token = re.search(r'name="csrfmiddlewaretoken" value="(\\w+)"', page)[1]
form = {{"login": "olive", "password": "{PASSWORD}", "csrfmiddlewaretoken": token}}
request = urllib.request.Request("http://127.0.0.1:7700/sign-in/", urllib.parse.urlencode(form).encode())
request.add_header("Referer", "http://127.0.0.1:7700/sign-in/")
answer = browser.open(request)
print(answer.status, answer.url, answer.read().decode())
"""
#: Asks the API with the token that is given.
ASK = """
import sys, urllib.request
headers = {"Authorization": f"Bearer {sys.argv[1]}"}
urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:7700/api/v1/projects/", headers=headers))
"""


class Installation:
    """The image, and a volume that several lives of it have."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        self.image = replay.Build(folder).image()
        self.start()
        self.run("z4j", "createadmin", "--username", "olive", "--password-stdin", given=f"{PASSWORD}\n")
        # Now: a backup that was put back leaves a log that is older than what was signed, and the doctor says so.
        self.examined = self.life.execute("z4j", "doctor")

    def start(self) -> None:
        self.life = replay.Running(self.image, self.folder, self.log)
        self.life.healthy()

    def run(self, *command: str, given: str = "") -> str:
        done = self.life.execute(*command, given=given)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def once(self, *command: str) -> int:
        """As `docker run` with a command of one's own, while the brain does not run; the code that it ends with."""
        return replay.Running(replace(self.image, command=[*command]), self.folder, self.log).outer.wait(120)


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    if reasons := replay.missing():
        pytest.skip(f"the Dockerfile cannot be replayed: {', '.join(reasons)}")
    with replay.workplace() as folder:
        made = Installation(folder)
        yield made
        made.life.close()


def test_it_is_healthy_by_its_own_check_as_nobody_on_a_root_that_it_cannot_write(installation):
    status = Path(f"/proc/{installation.life.pid}/status").read_text()
    for kind in ("Uid", "Gid"):  # as the Helm chart says, too
        assert re.search(rf"^{kind}:\s+10001\s+10001\s+10001\s+10001$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\s+0+$", status, re.MULTILINE) and re.search(r"^NSpid:.*\s1$", status, re.MULTILINE)
    for place in ("/", "/app", "/app/lib"):
        assert "Read-only file system" in installation.life.execute("touch", f"{place}/new").stderr
    assert installation.run("sh", "-c", "touch /tmp/new && stat -c '%a %U' /data").split() == ["700", "z4j"]


def test_who_was_made_an_administrator_in_it_signs_in(installation):
    told = installation.run("python", "-c", SIGN_IN)

    status, address, page = told.split(" ", 2)
    assert status == "200" and "/sign-in/" not in address and "olive" in page


def test_its_doctor_finds_nothing_wrong(installation):
    done = installation.examined
    assert done.returncode == 0, done.stdout + done.stderr
    assert "in place" in done.stdout


def test_its_dump_program_is_not_older_than_the_server_beside_it_in_compose(installation):
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    server = int(services["database"]["image"].partition(":")[2])
    for program in ("pg_dump", "pg_restore"):
        found = re.search(r"PostgreSQL\) (\d+)", installation.run(program, "--version"))
        assert found and int(found[1]) >= server


def test_nothing_of_how_it_was_built_stays_in_it(installation):
    root = installation.image.root
    assert not (root / "src").exists() and not (root / "run" / "lent").exists()
    given = {line.partition("=")[0] for line in installation.run("env").splitlines()}
    assert given == {"HOME", "PATH", "PYTHONUNBUFFERED", "Z4J_DATA_DIR", "Z4J_HOST"}


def test_told_to_stop_it_ends_with_zero_and_the_next_one_has_its_data(installation):
    assert installation.life.stop() == 0

    installation.log.write_text("")
    installation.start()

    assert "olive" in installation.run("python", "-c", SIGN_IN)
    assert "set-up" not in installation.log.read_text().lower()


def test_a_backup_that_it_wrote_is_put_back_into_its_volume(installation):
    installation.run("z4j", "backup", "/data/kept.tar.gz")
    later = installation.run("z4j", "token", "create", "--username", "olive", "--name", "later")
    assert installation.life.stop() == 0

    assert installation.once("z4j", "restore", "--replace", "/data/kept.tar.gz") == 0, installation.log.read_text()

    installation.start()
    assert "olive" in installation.run("python", "-c", SIGN_IN)
    assert "401" in installation.life.execute("python", "-c", ASK, later.strip()).stderr

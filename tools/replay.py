"""Replays the Dockerfile without Docker: each step in a clean root made by debootstrap, then what it says is started.

    python tools/replay.py            # as root, on Linux with debootstrap, setpriv and unshare

`python:X.Y-slim-RELEASE` stands for that release of Debian with the python3 that it brings, which has to be X.Y:
CPython itself is Debian's build, not that of the official image. The rest is as Docker does it: a copy of the root for
each stage, what .dockerignore names left out, steps as the user that the Dockerfile says. The result runs as
compose.yaml runs it: the root read-only, a volume, a /tmp of its own, no rights to gain, process 1 of its own
namespaces, and no network but its own.

How pip and apt reach their registries here is lent to the steps, and to nothing that stays.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import lent
from dockerfile import Context, Step, Unknown, expand, read
from tree import ROOT, WORK

#: What the base image is, by its name: the release of Debian, and the python3 that is in it.
BASES = {"python:3.13-slim-trixie": ("trixie", "3.13"), "python:3.11-slim-bookworm": ("bookworm", "3.11")}
PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: The image's python is called so, and lets pip install beside it.
AS_THE_IMAGE = "ln -s /usr/bin/python3 /usr/local/bin/python && rm -f /usr/lib/python3*/EXTERNALLY-MANAGED"
#: Images of Debian have it, too: packages are unpacked without waiting for the disk.
AS_THE_IMAGE += " && echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/docker-apt-speedup"
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
#: Run in the result's own network, which has its loopback and nothing else.
LOOPBACK_UP = (
    "import fcntl, socket, struct; "
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sH14s', b'lo', 1, b''))"
)  # fmt: skip
#: Seconds, and the bytes that two stages and what is downloaded for them take.
READY_WITHIN, STOPPED_WITHIN = 300, 15
ROOM = 3 << 30


class Failed(RuntimeError):
    """A step, or the result, did not do what it should; says what it printed."""


def missing() -> list[str]:
    """Why it cannot be replayed here; nothing, if it can."""
    found = [f"no {name}" for name in ("debootstrap", "unshare", "nsenter", "chroot") if not shutil.which(name)]
    return found + (["not root"] if os.geteuid() else [])


@dataclass
class Image:
    """What has been built: the root, and what is said of it."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": SEARCHED})
    user: str = "root"
    folder: str = "/"
    volumes: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    stop: signal.Signals = signal.SIGTERM

    def enter(self, environment: dict[str, str], *command: str, bare: bool = False) -> list[str]:
        """The words that run a command as the image's user inside its root; `bare`: and may gain nothing."""
        uid, gid, home = self._person()
        known = {"HOME": home} | self.environment | environment
        rights = ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"] if bare else []
        return [
            "/usr/bin/env", "-i", "-C", self.folder, *(f"{name}={value}" for name, value in known.items()),
            "/usr/bin/setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", *rights, *command,
        ]  # fmt: skip

    def _person(self) -> tuple[int, int, str]:
        for line in (self.root / "etc/passwd").read_text().splitlines():
            name, _, uid, gid, _, home, _ = line.split(":")
            if self.user in (name, uid):
                return int(uid), int(gid), home
        raise Unknown(f"USER {self.user} is not in the image")

    def inside(self, path: str) -> Path:
        """A path of the image, as it is reached from out here."""
        return self.root / os.path.normpath(os.path.join(self.folder, path)).lstrip("/")


# ── Building ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Build:
    def __init__(self, folder: Path, context: Path = ROOT) -> None:
        self.folder, self.context = folder, Context.of(context)
        self.stages = read((context / "Dockerfile").read_text())
        self.made: dict[str, Image] = {}

    def image(self) -> Image:
        for number, stage in enumerate(self.stages):
            image = Image(self.folder / f"stage-{number}")
            subprocess.run(["cp", "-a", "--reflink=auto", clean_root(stage.base), image.root], check=True)
            for step in stage.steps:
                say(f"{step.word} {step.rest}")
                self._do(step, image)
            self.made |= {str(number): image} | ({stage.name: image} if stage.name else {})
        return image

    def _do(self, step: Step, image: Image) -> None:
        match step.word:
            case "RUN":
                self._run(step.rest, image)
            case "COPY":
                self._copy(step, image)
            case "WORKDIR":
                image.folder = str(Path("/") / os.path.join(image.folder, step.rest))
                image.inside(".").mkdir(parents=True, exist_ok=True)
            case "ENV":
                known = dict(image.environment)
                image.environment |= {
                    name: expand(value, known) for name, _, value in (word.partition("=") for word in step.words())
                }
            case "USER":
                image.user = step.rest
            case "VOLUME":
                image.volumes += step.words()
            case "ENTRYPOINT":
                image.entrypoint = step.parts()
            case "CMD":
                image.command = step.parts()
            case "HEALTHCHECK":
                image.health = Step(step.number, "CMD", step.rest.removeprefix("CMD").strip()).parts()
            case "STOPSIGNAL":
                image.stop = signal.Signals[step.rest]

    def _run(self, line: str, image: Image) -> None:
        mounts, environment = lent.to(image.root, self.folder / "lent")
        command = image.enter(environment, "/bin/sh", "-c", line)
        done = subprocess.run(_apart([*_devices(image.root), *mounts], image.root, command))
        if done.returncode:
            raise Failed(f"The step ended with {done.returncode}: RUN {line}")

    def _copy(self, step: Step, image: Image) -> None:
        *sources, target = step.words()
        if any(mark in "".join(sources) for mark in "*?["):
            raise Unknown(f"line {step.number}: COPY with a pattern is not known here")
        into = image.inside(target)
        for name in sources:
            if stage := step.options.get("from"):
                source, left_out = self.made[stage].inside(os.path.join("/", name)), None
            else:
                source, left_out = self.context.folder / name, self.context.left_out
            if source.is_dir():
                shutil.copytree(source, into, symlinks=True, ignore=left_out, dirs_exist_ok=True)
            else:
                place = into / source.name if target.endswith("/") or into.is_dir() else into
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, place)


def clean_root(base: str) -> Path:
    """The base image's stand-in, made once and kept."""
    if base not in BASES:
        raise Unknown(f"FROM {base}: none of {', '.join(BASES)}")
    release, version = BASES[base]
    kept = WORK / "replay" / base.replace(":", "-")
    if kept.exists():
        return kept
    say(f"debootstrap {release}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as name:
        root, memory = Path(name) / "root", Path(name) / "memory"
        memory.mkdir()
        kind = ["--variant=minbase", f"--include={PACKAGES}"]
        words = ["debootstrap", *kind, release, str(memory / "root"), *lent.mirror()]
        lines = [f"mount -t tmpfs tmpfs {memory}", shlex.join(words), f"cp -a {memory}/root {root}"]
        command = ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-euc", "\n".join(lines)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise Failed(f"debootstrap ended with {done.returncode}:\n{done.stdout[-2000:]}")
        told = subprocess.run(["chroot", root, "python3", "-V"], capture_output=True, text=True, check=True).stdout
        if not told.startswith(f"Python {version}."):
            raise Failed(f"{release} brings {told.strip()}, and {base} is {version}")
        subprocess.run(["chroot", root, "/bin/sh", "-c", AS_THE_IMAGE], check=True)
        root.rename(kept)  # whole, or not at all
    return kept


def _devices(root: Path) -> Iterator[str]:
    """Lines of the shell that give a root its /proc and /dev."""
    yield f"mount -t proc proc {root}/proc"
    yield f"mount -t tmpfs -o mode=0755 tmpfs {root}/dev"
    for name in DEVICES:
        yield f"touch {root}/dev/{name} && mount --bind /dev/{name} {root}/dev/{name}"
    yield f"ln -s /proc/self/fd {root}/dev/fd && mkdir -m 1777 {root}/dev/shm"


def _apart(lines: Sequence[str], root: Path, command: Sequence[str], *more: str) -> list[str]:
    """Words that run a command in this root, in namespaces that go when it ends, after these lines of the shell."""
    script = "\n".join(["umask 022", *lines, f"exec chroot {shlex.quote(str(root))} {shlex.join(command)}"])
    spaces = ["--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--propagation", "private", *more]
    return ["unshare", *spaces, "--", "/bin/sh", "-euc", script]


# ── Running ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Running:
    """The image's command, until it is stopped. `volumes` is a folder that outlives it."""

    def __init__(self, image: Image, volumes: Path, log: Path, **settings: str) -> None:
        self.image, self.settings, self.log = image, settings, log
        root = image.root
        lines = [f"mount --bind {root} {root}", *_devices(root), f"mount -t tmpfs -o mode=1777 tmpfs {root}/tmp"]
        for path in image.volumes:
            kept = volumes / path.strip("/").replace("/", "-")
            if not kept.exists():  # a new volume begins with what the image has there, and its owner
                subprocess.run(["cp", "-a", image.inside(path), kept], check=True)
            lines.append(f"mount --bind {kept} {image.inside(path)}")
        lines.append(f"mount -o remount,bind,ro {root}")
        lines.append(shlex.join([sys.executable, "-c", LOOPBACK_UP]))
        command = image.enter(settings, *image.entrypoint, *image.command, bare=True)
        with log.open("ab") as output:
            words = _apart(lines, root, command, "--net")
            self.outer = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.pid = self._child()

    def execute(self, *command: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """As `docker exec` does: one more command in there."""
        spaces = ["--mount", "--pid", "--net", "--uts", "--ipc", "--root"]
        words = [
            "nsenter",
            "--target",
            str(self.pid),
            *spaces,
            "--",
            *self.image.enter(self.settings, *command, bare=True),
        ]
        return subprocess.run(words, input=given, capture_output=True, text=True, timeout=60)

    def healthy(self) -> None:
        """Wait until the image's own check says yes."""
        end = time.monotonic() + READY_WITHIN
        while (done := self.execute(*self.image.health)).returncode:
            if self.outer.poll() is not None or time.monotonic() > end:
                raise Failed(f"It did not become healthy:\n{done.stderr[-1000:]}\n{self.log.read_text()[-4000:]}")
            time.sleep(1)

    def stop(self) -> int:
        """The image's signal, as `docker stop` sends it, and the code that it ends with."""
        os.kill(self.pid, self.image.stop)
        return self.outer.wait(STOPPED_WITHIN)

    def close(self) -> None:
        if self.outer.poll() is None:
            os.kill(self.pid, signal.SIGKILL)  # process 1: all that it has started goes with it
            self.outer.wait()

    def _child(self) -> int:
        end = time.monotonic() + 10
        while time.monotonic() < end and self.outer.poll() is None:
            children = Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children").read_text().split()
            if children and b"chroot" not in Path(f"/proc/{children[0]}/cmdline").read_bytes():
                return int(children[0])
            time.sleep(0.02)
        raise Failed(f"It did not start:\n{self.log.read_text()}")


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder that goes, in memory if there is room; whoever is not root may pass through but see nothing else."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > ROOM
    with tempfile.TemporaryDirectory(prefix="z4j-replay-", dir=memory if roomy else None) as name:
        Path(name).chmod(0o711)
        yield Path(name)


def say(line: str) -> None:
    print(f"── {time.strftime('%H:%M:%S')} {line}", flush=True)


def main() -> int:
    if reasons := missing():
        raise SystemExit(f"The Dockerfile cannot be replayed here: {', '.join(reasons)}.")
    with workplace() as folder:
        image = Build(folder).image()
        started = time.monotonic()
        running = Running(image, folder, folder / "log")
        try:
            running.healthy()
            say(f"healthy after {time.monotonic() - started:.1f} s, as {image.user}, the root read-only")
            say(running.execute("z4j", "doctor").stdout.strip())
            code = running.stop()
        finally:
            running.close()
    say(f"{image.stop.name}: it ended with {code}")
    return code


if __name__ == "__main__":
    sys.exit(main())

"""Runs every test once and says honestly what happened: on both stores, with every engine, live and in a browser.

Each part is one pytest run in the environment it needs. What cannot run here is reported as not run; with CI=true that
is a failure, like a part that ends without a report. The last line counts the whole run.

Where only a few tests failed, those run once more when the machine is quiet: what fails twice has failed; what passes
then is counted, and named as unsteady, because it is to be mended.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO

from tree import BRAIN, CI, ROOT, WORK, Package, packages, run_in_group, stop_on_sigterm

REPORTS = WORK / "tests"
#: Folders of tests/ that are parts of their own: they start real processes and must not share the cores.
APART = ("architecture", "browser", "faults", "live", "bench")

#: So many failures may have to do with a busy machine; more of them have not.
FEW = 8
#: How many parts that mostly wait run beside the others: as many as it takes for these to end first.
BESIDE = 3


@dataclass(frozen=True)
class Part:
    name: str
    python: Path
    arguments: list[str | Path]
    folder: Path = ROOT
    environment: dict[str, str] = field(default_factory=dict)
    #: Waits for brokers and workers more than it works, so that it may run beside others of its kind.
    waits: bool = False


@dataclass
class Outcome:
    name: str
    seconds: float
    passed: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    unsteady: set[str] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)
    broken: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--soak", action="store_true", help="also what is marked soak, with Z4J_SOAK=1")
    parser.add_argument("only", nargs="*", help="names of parts, all when left out")
    options = parser.parse_args()
    stop_on_sigterm()
    # A shell starts its background jobs deaf to Ctrl-C, and what is tested here would be as deaf.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    chosen = [part for part in parts(ROOT) if not options.only or part.name in options.only]
    return report(run_all(chosen, soak=options.soak))


def parts(root: Path) -> Iterator[Part]:
    apart = [f"--ignore=tests/{name}" for name in APART]
    yield Part("architecture", BRAIN, ["-n2", "tests/architecture"])
    for store in ("sqlite", "postgres"):
        chosen = {"Z4J_TEST_STORE": store}
        yield Part(f"brain-{store}", BRAIN, ["-n2", "tests", *apart], environment=chosen)
        if _has_tests(root / "tests" / "faults"):
            yield Part(f"faults-{store}", BRAIN, ["tests/faults"], environment=chosen, waits=True)
    for package in packages(root):
        if _has_tests(package.tests):
            yield from _of(package)
    if _has_tests(root / "tests" / "live"):
        yield Part("live", BRAIN, ["tests/live"], waits=True)
    if _has_tests(root / "tests" / "browser"):
        yield Part("browser", BRAIN, ["-n2", "tests/browser"])


def _of(package: Package) -> Iterator[Part]:
    """All tests in the package's own environment; what every adapter must keep, also in its variants."""
    settings: list[str | Path] = ["-c", package.folder / "pyproject.toml", "--rootdir", package.folder]
    settings += ["-p", "no:django"]
    yield Part(package.name, package.python, [*settings, "tests"], folder=package.folder, waits=True)
    suite = package.tests / "test_conformance.py"
    for name, python in package.variants.items():
        if python.exists():
            chosen = [suite] if suite.exists() else ["tests"]
            yield Part(name, python, [*settings, *chosen], folder=package.folder, waits=True)


def _has_tests(folder: Path) -> bool:
    return any(folder.rglob("test_*.py"))


def run_all(chosen: list[Part], *, soak: bool) -> list[Outcome]:
    """What works the cores goes one after the other; beside it, what mostly waits. At the end all lanes take that."""
    waiting: SimpleQueue[Part] = SimpleQueue()
    for part in sorted(chosen, key=_bulk, reverse=True):
        if part.waits:
            waiting.put(part)
    outcomes: dict[str, Outcome] = {}

    def lane(parts: Iterable[Part]) -> None:
        for part in chain(parts, iter(partial(_next, waiting), None)):
            outcomes[part.name] = _quietly(part, soak=soak) if len(chosen) > 1 else run(part, soak=soak)

    lanes = [[part for part in chosen if not part.waits], *([] for _ in range(BESIDE))]
    with ThreadPoolExecutor(len(lanes)) as pool:
        list(pool.map(lane, lanes))
    if len(chosen) > 1 and sum(len(one.failed) for one in outcomes.values()) <= FEW:
        for part in chosen:
            _once_more(part, outcomes[part.name])
    return [outcomes[part.name] for part in chosen]


def _once_more(part: Part, outcome: Outcome) -> None:
    """What failed in it, alone."""
    if outcome.failed and not outcome.broken:
        print(f"\n{part.name}: {len(outcome.failed)} failed, once more by themselves", flush=True)
        again = run(replace(part, arguments=[*part.arguments, "--last-failed", "--last-failed-no-failures=none"]))
        outcome.unsteady = outcome.failed & again.passed
        outcome.failed -= outcome.unsteady
        outcome.passed |= outcome.unsteady
        outcome.seconds += again.seconds


def _bulk(part: Part) -> tuple[bool, int]:
    """How much there is to run, roughly, known without running it: what is long must not be the last to begin.

    The brain's own start whole brains and hold the record; of the rest, the size of their tests tells.
    """
    arguments = (part.folder / one for one in part.arguments if not str(one).startswith("-"))
    tests = chain.from_iterable(path.rglob("*.py") if path.is_dir() else [path] for path in arguments)
    return part.folder == ROOT, sum(path.stat().st_size for path in tests if path.exists())


def _next(waiting: SimpleQueue[Part]) -> Part | None:
    try:
        return waiting.get_nowait()
    except Empty:
        return None


def _quietly(part: Part, *, soak: bool) -> Outcome:
    """It prints what it has to say when it is done, in one piece."""
    with (REPORTS / f"{part.name}.log").open("w+b") as log:
        outcome = run(part, soak=soak, log=log)
        log.seek(0)
        print(_title(part) + "\n" + log.read().decode(errors="replace"), end="", flush=True)
    return outcome


def run(part: Part, *, soak: bool = False, log: IO[bytes] | None = None) -> Outcome:
    if log is None:
        print(_title(part), flush=True)
    path = REPORTS / f"{part.name}.xml"
    command: list[str | Path] = [part.python, "-m", "pytest", "-q", "-rfEs", "--strict-markers", f"--junitxml={path}"]
    command += [] if soak else ["-m", "not soak"]
    # Two environments of one package must not write one cache.
    command += ["-o", f"cache_dir={REPORTS / 'cache' / part.name}"]
    started = time.monotonic()
    limit = 6 * 3600 if soak else 2400
    code = run_in_group(
        [*command, *part.arguments], timeout=limit, environment=part.environment, cwd=part.folder, output=log
    )
    outcome = Outcome(part.name, time.monotonic() - started)
    _read(path, outcome)
    if code not in (0, 1):
        outcome.broken = "nothing was collected" if code == 5 else f"pytest ended with {code}"
    elif not path.exists():
        outcome.broken = "it left no report"
    return outcome


def _title(part: Part) -> str:
    return f"\n── {part.name} " + "─" * max(0, 100 - len(part.name))


def _read(path: Path, outcome: Outcome) -> None:
    for case in ElementTree.parse(path).iter("testcase") if path.exists() else ():  # noqa: S314 - written by pytest
        name, skipped = f"{case.get('classname')}.{case.get('name')}", case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            outcome.failed.add(name)
        elif skipped is not None:
            outcome.skipped[name] = skipped.get("message", "")
        else:
            outcome.passed.add(name)


def report(outcomes: list[Outcome]) -> int:
    _leave_out_what_ran_elsewhere(outcomes)
    print(f"\n{'part':<18}{'passed':>8}{'failed':>8}{'not run':>9}{'seconds':>9}")
    for one in outcomes:
        counts = f"{len(one.passed):>8}{len(one.failed):>8}{len(one.skipped):>9}{one.seconds:>9.0f}"
        print(f"{one.name:<18}{counts}  {one.broken}")
    missing = [f"{name}: {reason}" for one in outcomes for name, reason in one.skipped.items()]
    for line in missing:
        print(f"not run: {line}")
    for name in sorted(name for one in outcomes for name in one.unsteady):
        print(f"unsteady, it passed the second time: {name}")
    passed = sum(len(one.passed) for one in outcomes)
    failed = sum(len(one.failed) + bool(one.broken) for one in outcomes)
    if CI:
        failed += len(missing)
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


def _leave_out_what_ran_elsewhere(outcomes: list[Outcome]) -> None:
    """A test that is about one store is skipped on the other: it is missing only if it passed on neither."""
    ran = {name for one in outcomes for name in one.passed}
    for one in outcomes:
        one.skipped = {name: reason for name, reason in one.skipped.items() if name not in ran}


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())

"""`z4j-agent doctor`: says in sentences what works between this machine, its engines and the brain, and what does not.
`z4j-agent evidence` prints the files that prove that the brain has shown another audit log than before.
`z4j-agent redact-test` tells what would leave of a task, and what hides the rest of it.
`z4j-agent keys init` makes the key that originals are sealed to, `z4j-agent keys show` tells of those in force.

Exit code of the doctor: 0 all is well, 1 a hop fails, 2 there are only warnings.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from z4j_bare import doctor, evidence, keys, trial
from z4j_bare.config import Config, InvalidSetting
from z4j_bare.database import Unavailable
from z4j_bare.hop import Hop


def main(arguments: Sequence[str] | None = None) -> int:
    """What the shell gets as exit code."""
    asked = _parser().parse_args(arguments)
    if asked.command == "evidence":
        return show_evidence()
    if asked.command == "keys":
        return keys.init(asked.out) if asked.step == "init" else keys.show()
    if asked.command == "redact-test":
        return trial.run(asked)
    sys.path.insert(0, os.getcwd())
    return examine(vars(asked))


def options(parser: argparse.ArgumentParser) -> None:
    """The options of a doctor, here and in the commands of frameworks."""
    add = parser.add_argument
    add("--import", dest="imports", metavar="MODULE", action="append", default=[], help="a module that makes your app")
    add("--engine", default="", metavar="NAME", help="try this engine only")
    add("--queue", default="", metavar="QUEUE", help="send the hello to this queue")
    add("--seconds", type=float, default=doctor.PATIENCE, help="how long a hello may take (%(default)s)")
    add("--json", action="store_true", help="print a list of hops as JSON")


def examine(asked: Mapping[str, Any], write: Callable[[str], object] | None = None) -> int:
    """Run the doctor as the options ask and print what it says; the exit code."""
    chosen = {name: asked[name] for name in ("imports", "engine", "queue", "seconds")}
    return tell(doctor.run(**chosen), as_json=asked["json"], write=write)


def tell(hops: Iterable[Hop], *, as_json: bool = False, write: Callable[[str], object] | None = None) -> int:
    """Print each hop as soon as it is known, or all as JSON; the exit code."""
    write = write or sys.stdout.write
    seen = []
    for hop in hops:
        seen.append(hop)
        if not as_json:
            write("\n".join(_lines(hop)) + "\n")
            sys.stdout.flush()
    if as_json:
        write(json.dumps([dataclasses.asdict(hop) for hop in seen], indent=2) + "\n")
    else:
        write(f"\n{_verdict(seen)}\n")
    if not all(hop.ok for hop in seen):
        return 1
    return 2 if any(hop.warning for hop in seen) else 0


def show_evidence() -> int:
    """Print the path of each file; 1 when there is one, 2 when nobody can tell."""
    try:
        config = Config.read({})
        kept = evidence.found(config.folder()) if config is not None else []
    except (InvalidSetting, Unavailable) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.writelines(f"{path}\n" for path in kept)
    return 1 if kept else 0


def _verdict(seen: Sequence[Hop]) -> str:
    """The last line: what to begin with."""
    failed = [hop.name for hop in seen if not hop.ok]
    warnings = sum(hop.warning for hop in seen)
    if failed:
        others = f" Then: {', '.join(dict.fromkeys(failed[1:]))}." if failed[1:] else ""
        return f"Not well. Begin with: {failed[0]}.{others}"
    return f"All works. Warnings: {warnings}." if warnings else "All is well."


def _lines(hop: Hop) -> list[str]:
    mark = "failed" if not hop.ok else "warning" if hop.warning else "ok"
    lines = [f"{mark:<8} {hop.name}: {hop.text}"]
    return [*lines, f"{'':<8} What to do: {hop.fix}"] if hop.fix else lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="z4j-agent", description="The z4j agent of this machine.")
    commands = parser.add_subparsers(required=True, dest="command")
    command = commands.add_parser("doctor", help="try every hop from the settings to a task that the brain sees")
    options(command)
    commands.add_parser("evidence", help="print the files that prove that the brain has shown another audit log")
    trial.options(commands.add_parser("redact-test", help="print what would leave of a task with such arguments"))
    keys.options(commands.add_parser("keys", help="the keys that the originals of tasks are sealed to"))
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""`z4j schedules ...`: what is planned, what became of it, and what people ask of it."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from z4j_brain.remote import bulk, copying, wishes
from z4j_brain.remote.client import PAGE, Client
from z4j_brain.remote.tasks import when
from z4j_brain.remote.terminal import Terminal, plain
from z4j_brain.remote.trouble import DONE, FAILED, wrong

_TOLD = ("id", "source", "key", "task", "engine", "queue", "state", "enabled", "words", "text", "zone", "definition")
_TOLD_TOO = ("code", "args", "kwargs", "catch_up", "overlap", "version", "created_by")
#: Of a plan, what is said in words that are the API's own.
_FIELDS = ("key", "task", "engine", "cron", "every", "at", "zone", "queue", "catch_up", "overlap", "grace")
#: Longer than this, a number is no id of the brain's.
_LONGEST_ID = 18
#: The longest crontab that is read, in characters.
_LONGEST = 262_144


def show_list(client: Client, terminal: Terminal, asked: Namespace) -> int:
    """Newest first. `more`: there are others beyond the limit, or may be."""
    query = _filters(asked) | {"page_size": str(min(asked.limit + 1, PAGE))}
    rows, more = _rows(client, terminal, "schedules/", query, asked.limit)
    cells = [
        [row["id"], row["state"], row["source"], row["key"], row["words"], when((row["next"] or [None])[0]), _last(row)]
        for row in rows
    ]
    heads = ["ID", "STATE", "SOURCE", "KEY", "WHEN", "NEXT", "LAST"]
    lines = terminal.table(heads, cells) if rows else ["No schedules."]
    if more:
        lines.append(f"The newest {asked.limit}; there are more: --limit N.")
    terminal.result({"results": rows, "more": more}, lines)
    return DONE


def show_one(client: Client, terminal: Terminal, asked: Namespace) -> int:
    [pk] = _named(client, [asked.id])
    row = client.get(f"schedules/{pk}/")
    pairs: list[tuple[str, Any]] = [(name, row[name]) for name in _TOLD]
    pairs += [("next", ", ".join(map(when, row["next"]))), ("last run", _last(row))]
    if disabled := row["disabled"]:
        pairs += [("disabled by", disabled["by"]), ("because", disabled["reason"]), ("until", when(disabled["until"]))]
    pairs += [(name, row[name]) for name in _TOLD_TOO]
    pairs += [("clocks", notice) for notice in row["notices"]]
    pairs += [(f"can {verb}", _can(offer)) for verb, offer in row["capabilities"].items()]
    terminal.result(row, terminal.pairs(pairs))
    return DONE


def show_runs(client: Client, terminal: Terminal, asked: Namespace) -> int:
    """The latest first."""
    [pk] = _named(client, [asked.id])
    query = {"page_size": str(min(asked.limit + 1, PAGE))} | ({"state": asked.state} if asked.state else {})
    rows, more = _rows(client, terminal, f"schedules/{pk}/runs/", query, asked.limit)
    cells = [
        [when(row["due_at"]), when(row["fired_at"]), row["state"], _took(row["late_ms"]), _took(row["runtime_ms"]),
         row["task_id"], _remark(row)]
        for row in rows
    ]  # fmt: skip
    heads = ["DUE", "FIRED", "STATE", "LATE", "TOOK", "TASK", "WHY"]
    lines = terminal.table(heads, cells) if rows else ["No runs."]
    if more:
        lines.append(f"The latest {asked.limit}; there are more: --limit N.")
    terminal.result({"results": rows, "more": more}, lines)
    return DONE


def steer(client: Client, terminal: Terminal, asked: Namespace) -> int:
    """Enable, disable, run or delete: previewed, asked for, and followed to its end."""
    asked.action, asked.ids = f"schedule.{asked.verb}", _named(client, asked.ids)
    asked.option = [*asked.option]
    if getattr(asked, "until", None):
        asked.option.append(("until", asked.until))
    if asked.verb == "run" and not asked.wait:  # for now, or not at all
        asked.option.append(("wait", "false"))
    return bulk.run(client, terminal, asked)


def create(client: Client, terminal: Terminal, asked: Namespace) -> int:
    body = _body(asked) | ({"source": asked.source} if asked.source else {})
    body |= {"enabled": False} if asked.disabled else {}
    return _end(client, terminal, asked, client.post("schedules/", body, again=False))


def copy(client: Client, terminal: Terminal, asked: Namespace) -> int:
    """The same in another scheduler. The first one goes on until somebody disables it."""
    [pk] = _named(client, [asked.id])
    row = client.get(f"schedules/{pk}/")
    said = copying.body(row, asked)
    code = _end(client, terminal, asked, client.post("schedules/", said, again=False))
    if code == DONE and row["enabled"]:
        terminal.tell(f"{row['source']}/{row['key']} goes on as well: disable it, or both fire.")
    return code


def edit(client: Client, terminal: Terminal, asked: Namespace) -> int:
    """As it is now, and no other: of two who change the same at once, the second is told so."""
    [pk] = _named(client, [asked.id])
    body = _body(asked)
    if not body.keys() - {"reason"}:
        raise wrong("Say what is to be another: --cron, --queue, --args and so on.")
    version = client.get(f"schedules/{pk}/")["version"]
    return _end(client, terminal, asked, client.change(f"schedules/{pk}/", body, f'"{version}"'))


def take_in(client: Client, terminal: Terminal, asked: Namespace) -> int:
    """A crontab, from a file or from stdin: all of it or nothing."""
    names = ("engine", "queue", "zone", "catch_up", "overlap")
    body = {name: getattr(asked, name) for name in names if getattr(asked, name)} | {"text": _text(asked.file)}
    found = client.post("schedules/import/", body | {"dry_run": True}, again=True)
    if asked.dry_run or found["errors"]:
        terminal.result(found, _told(terminal, found))
        return FAILED if found["errors"] else DONE
    terminal.tell(*_told(terminal, found))
    if not asked.yes:
        bulk.agree(terminal, f"Make {len(found['schedules']):,} schedules of z4j's own? [y/N]")
    made = client.post("schedules/import/", body | {"reason": asked.reason}, again=False)
    terminal.result(made, [f"Made: {len(made['schedules']):,} schedules."])
    return DONE


def export(client: Client, terminal: Terminal, asked: Namespace) -> int:
    """The crontab itself, also in a pipe: that is what it is for."""
    text = client.text("schedules/export/", _filters(asked))
    if asked.form == "json":
        terminal.result({"crontab": text}, [])
    else:
        sys.stdout.write(plain(text, keep="\n"))
        sys.stdout.flush()
    return DONE


def _end(client: Client, terminal: Terminal, asked: Namespace, answer: dict[str, Any]) -> int:
    """One of z4j's own is made or changed by now; a scheduler is asked by an operation, which is followed."""
    notices = [str(notice) for notice in answer.get("notices") or []]
    if "action" in answer:
        terminal.tell(*notices) if notices else None
        return bulk.end(client, terminal, asked, answer)
    pairs = [(name, answer[name]) for name in ("id", "key", "task", "words", "zone", "version")]
    pairs += [("next", ", ".join(map(when, answer["next"]))), *(("clocks", notice) for notice in notices)]
    terminal.result(answer, terminal.pairs(pairs))
    return DONE


def _body(asked: Namespace) -> dict[str, Any]:
    body = {name: value for name in _FIELDS if (value := getattr(asked, name, None)) not in (None, "")}
    for name in ("args", "kwargs"):
        if (text := getattr(asked, name)) is not None:
            body[name] = wishes.value(text)
    return body | ({"reason": asked.reason} if asked.reason else {})


def _filters(asked: Namespace) -> dict[str, str]:
    found = {name: getattr(asked, name) for name in ("source", "engine", "task", "queue", "state")}
    found = {name: value for name, value in found.items() if value}
    for key, value in asked.filter:
        if key in found:
            raise wrong("Given twice; several values go into one, joined by commas, as KEY__in.", key)
        found[key] = value
    return found


def _rows(
    client: Client, terminal: Terminal, path: str, query: dict[str, str], limit: int
) -> tuple[list[dict[str, Any]], bool]:
    rows: list[dict[str, Any]] = []
    for page in client.pages(path, query):
        rows += page
        terminal.progress(f"{len(rows)}")
        if len(rows) > limit:
            break
    return rows[:limit], len(rows) > limit


def _named(client: Client, names: Sequence[str]) -> list[int]:
    """Our ids of schedules that are named by them, by their key, or by source and key as in celerybeat/nightly."""
    return [_one(client, str(name)) for name in dict.fromkeys(names)]


def _one(client: Client, name: str) -> int:
    looks: list[dict[str, str]] = []
    if name.isascii() and name.isdigit() and len(name) <= _LONGEST_ID:
        looks.append({"id": name})
    looks.append({"key": name})
    source, slash, key = name.partition("/")
    if slash and source and key:
        looks.append({"source": source, "key": key})
    for look in looks:
        rows = client.get("schedules/", **look, page_size="3")["results"]
        if len(rows) > 1:
            said = ", ".join(f"{row['source']}/{row['key']}" for row in rows)
            raise wrong(f"Several schedules have this key; say which: {said}.", name)
        if rows:
            return int(rows[0]["id"])
    raise wrong("There is no such schedule here.", name)


def _told(terminal: Terminal, found: dict[str, Any]) -> list[str]:
    rows = [[one["key"], one["words"], one["zone"], one["task"], one["engine"]] for one in found["schedules"]]
    lines = terminal.table(["KEY", "WHEN", "ZONE", "TASK", "ENGINE"], rows) if rows else []
    lines += [plain(notice) for notice in found["notices"]]
    lines += [f"Line {one['pointer'].rpartition('/')[2]}: {plain(one['detail'])}" for one in found["errors"]]
    return [*lines, "With anything wrong in it, nothing is made."] if found["errors"] else lines


def _text(name: str) -> str:
    try:
        text = sys.stdin.read(_LONGEST + 1) if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise wrong(f"It cannot be read: {error}.", name) from None
    if len(text) > _LONGEST:
        raise wrong(f"At most {_LONGEST:,} characters.", name)
    return text


def _last(row: dict[str, Any]) -> str:
    run = row["last_run"]
    return f"{run['state']} {when(run['due_at'] or run['moment'])}" if run else ""


def _took(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds / 1000:.1f} s"


def _remark(run: dict[str, Any]) -> str:
    told = [run["why"], "asked for" if run["asked"] else "", "overlapped" if run["overlapped"] else ""]
    told.append(f"{run['times']} times" if run["times"] > 1 else "")
    return ", ".join(filter(None, told))


def _can(offer: dict[str, Any]) -> str:
    return " · ".join(filter(None, ["yes" if offer["can"] else "no", offer["why"], offer["note"]]))

"""A host that writes down what an adapter reports, in a folder that the processes of an engine share.

Not a stand-in for an engine or a broker: those are real. It is the smallest thing that fills `Host`: events become
lines of a file, originals become files, and whatever is put into `asks/` is carried out as the agent would.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, unquote

from z4j_core import policy, registered
from z4j_core.adapter import Adapter, Answer, Target
from z4j_core.engine import Engine
from z4j_core.policy import Policy
from z4j_core.redaction import Redactor
from z4j_core.wire import Event, Outcome

#: Where a process is killed that carries out a verb on a task: `AMID` at the first word of the task it makes.
BEFORE, AMID, AFTER = "before", "amid", "after"


#: The file of a folder that holds the policy of its environment, if there is one.
POLICY = "policy.json"
#: Seconds. A machine that is busy with other things takes many times as long as an idle one.
PATIENCE = 40.0


class FolderStore:
    """One file for each key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, key: str) -> bytes | None:
        path = self._path(key)
        return path.read_bytes() if path.exists() else None

    def put(self, key: str, value: bytes) -> None:
        _write(self._path(key), value)

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def items(self, prefix: str) -> list[tuple[str, bytes]]:
        found = [(unquote(path.name), path) for path in self.folder.iterdir() if not path.name.startswith(".")]
        return [(key, path.read_bytes()) for key, path in found if key.startswith(prefix)]

    def _path(self, key: str) -> Path:
        return self.folder / quote(key, safe="")


class RecordingHost:
    """Fills `z4j_core.adapter.Host`. `engine`: the adapter that is asked to act, of an engine or a scheduler."""

    def __init__(self, folder: Path, mode: str = "shapes", engine: Adapter | None = None) -> None:
        self.folder = folder
        self.redactor = Redactor(mode, self._policy)
        self._read: tuple[int, Policy | None] = (0, None)
        self.state = FolderStore(folder / "state")
        self.originals = FolderStore(folder / "originals")
        #: What an agent could have sealed: an original with the event that told of it, in the process that kept it.
        self.sealed = FolderStore(folder / "sealed")
        #: What a command has brought along.
        self.lent = FolderStore(folder / "lent")
        self._kept: dict[str, bytes] = {}
        self.engine = engine
        self._obeys = 0
        #: The task at whose first mention this process kills itself.
        self._cut = ""
        (folder / "asks").mkdir(exist_ok=True)

    def emit(self, event: Mapping[str, Any]) -> None:
        """One write of one line: processes and threads do not mix theirs."""
        self._reached(str(event.get("task_id", "")))
        if event.get("vault"):
            self._seal(event)
        line = json.dumps({"ts": time.time_ns() // 1000, **event, "pid": os.getpid()}) + "\n"
        handle = os.open(self.folder / "events.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)

    def _policy(self) -> Policy | None:
        """As an agent has it: from a file of its folder, when there is one."""
        path = self.folder / POLICY
        try:
            stamp = path.stat().st_mtime_ns
        except FileNotFoundError:
            return None
        if stamp != self._read[0]:
            self._read = stamp, policy.read(json.loads(path.read_text()))
        return self._read[1]

    def keep(self, task_id: str, blob: bytes) -> str:
        self._reached(task_id)
        self.originals.put(task_id, blob)
        self._kept[task_id] = blob
        return "folder"

    def original(self, task_id: str) -> bytes | None:
        found = self.originals.get(task_id)
        return self.lent.get(task_id) if found is None else found

    def role(self, role: str, name: str = "") -> None:
        engine = self.engine if isinstance(self.engine, Engine) else None
        facts = engine.worker() if engine else None
        if role == "worker" and engine is not None and facts is None:
            return  # it is still starting, and will say so again
        if facts is not None and engine is not None:
            facts["tasks"] = registered.fitted(dict(task) for task in engine.tasks())
        self.emit({"kind": f"{role}.online", "worker": name, "data": facts})
        if role != "producer" and self._obeys != os.getpid():
            self._obeys = os.getpid()
            threading.Thread(target=self._obey, daemon=True, name="z4j-recording").start()

    def flush(self, timeout: float = 1.0) -> bool:
        return True

    def stop(self, timeout: float = 2.0) -> None:
        self.emit({"kind": "worker.offline"})

    def _seal(self, event: Mapping[str, Any]) -> None:
        original = self._kept.pop(event["task_id"], None)
        if original is not None and event.get("engine") and event.get("name"):
            self.sealed.put(event["task_id"], f"{event['engine']} {event['name']}\n".encode() + original)

    def _reached(self, task_id: str) -> None:
        if task_id and task_id == self._cut:
            os.kill(os.getpid(), signal.SIGKILL)

    def _obey(self) -> None:
        while self.engine is not None:
            for ask in sorted((self.folder / "asks").glob("*.ask")):
                order = json.loads(ask.read_text())
                ask.unlink()  # first: what ends this process must not end the next one as well
                if "cut" in order:
                    self._be_cut_off(order)
                _write(ask.with_suffix(".answer"), json.dumps(self._carry_out(order)).encode())
            time.sleep(0.05)

    def _be_cut_off(self, order: dict[str, Any]) -> None:
        if order["cut"] == AMID:
            self._cut = Target(**order["target"]).new_task_id()
        if order["cut"] != BEFORE:
            self._carry_out(order)
        os.kill(os.getpid(), signal.SIGKILL)

    def _carry_out(self, order: dict[str, Any]) -> Any:
        assert self.engine is not None
        if "read" not in order:
            return asdict(self.engine.act(order["verb"], Target(**order["target"]), order["params"]))
        if order["read"] == "worker_facts" and isinstance(self.engine, Engine):
            return [self.engine.worker()]
        if order["read"] == "running":
            return [getattr(self.engine, "running")()]  # noqa: B009 - a read of schedulers alone
        given = [Target(**target) for target in order["targets"]]
        method = getattr(self.engine, order["read"])
        try:
            return list(method(given) if given else method(*order["given"]))
        except Exception as error:  # the test says what went wrong, not the worker's log
            return {"raised": f"{type(error).__name__}: {error}"}


class Records:
    """What a `RecordingHost` wrote, seen from a test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._asked = 0

    def text(self) -> str:
        path = self.folder / "events.jsonl"
        return path.read_text() if path.exists() else ""

    def events(self, task_id: str | None = None, kind: str | None = None) -> list[Event]:
        whole = self.text().rpartition("\n")[0]  # of a line that is being written, a reader may see a part
        lines = enumerate(whole.splitlines(), 1)
        numbered = [cast(Event, {"seq": number, **json.loads(line)}) for number, line in lines]
        return [
            event for event in numbered if task_id in (None, event.get("task_id")) and kind in (None, event["kind"])
        ]

    def ask(self, verb: str, target: Target, timeout: float = PATIENCE, **params: Any) -> Answer:
        """Have the worker's adapter carry out a verb, as a command would."""
        told = self._put({"verb": verb, "target": asdict(target), "params": params}, timeout, f"an answer to {verb}")
        return Answer(Outcome(told["outcome"]), told["detail"], told["new_task_id"])

    def bring(self, task_id: str) -> tuple[str, str]:
        """Forget the task's original, and have the next command bring what was sealed of it; that one's engine and
        name.
        """
        FolderStore(self.folder / "originals").delete(task_id)
        sealed = FolderStore(self.folder / "sealed").get(task_id)
        assert sealed is not None, "the event that names the vault comes from the process that kept the original"
        place, _, original = sealed.partition(b"\n")
        FolderStore(self.folder / "lent").put(task_id, original)
        engine, _, name = place.decode().partition(" ")
        return engine, name

    def cut(self, point: str, verb: str, target: Target, timeout: float = 20, **params: Any) -> None:
        """Have the worker's adapter carry out a verb and its process killed: before, amid or after it."""
        path = self._order({"verb": verb, "target": asdict(target), "params": params, "cut": point})
        wait_for(lambda: not path.exists(), timeout, "the worker to take it")
        time.sleep(1)  # for what it does before its end

    def read(self, name: str, *given: Any, targets: Sequence[Target] = (), timeout: float = PATIENCE) -> list[Any]:
        """What the worker's adapter tells when asked: `queues`, `peek` with its arguments, `lookup` of targets."""
        order = {"read": name, "given": given, "targets": [asdict(target) for target in targets]}
        told = self._put(order, timeout, f"the worker's {name}")
        assert isinstance(told, list), told
        return told

    def _order(self, order: Mapping[str, Any]) -> Path:
        self._asked += 1
        path = self.folder / "asks" / f"{self._asked:04d}.ask"
        _write(path, json.dumps(order).encode())
        return path

    def _put(self, order: Mapping[str, Any], timeout: float, what: str) -> Any:
        path = self._order(order)
        answer = path.with_suffix(".answer")
        wait_for(answer.exists, timeout, what)
        return json.loads(answer.read_text())


def wait_for(condition: Any, timeout: float = PATIENCE, what: str = "it") -> Any:
    """What `condition` returns as soon as that is true. Fails with a sentence when it takes too long."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {timeout} s for {what}")


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all: readers are in other processes."""
    draft = path.with_name(f".{path.name}.{threading.get_ident()}")
    draft.write_bytes(content)
    draft.replace(path)

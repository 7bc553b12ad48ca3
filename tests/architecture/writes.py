"""Only actions, ingest, the outbox and the ledger write; doors do not even hold a manager."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.rule import Source, dotted, imported, rule, sources

_WRITES = {"save", "delete", "bulk_create", "bulk_update", "get_or_create", "update_or_create"}
_WRITES |= {f"a{name}" for name in _WRITES}
#: Also names of methods of dicts and hashes: outside doors they count on querysets and managers only.
_AMBIGUOUS = {"create", "update", "acreate", "aupdate"}
_QUERYSET = (".objects", "_manager", ".filter()", ".exclude()", ".all()", ".select_for_update()", "queryset")

_DOORS = ("z4j_brain/*/pages.py", "z4j_brain/*/api.py", "z4j_brain/*/consumers.py", "z4j_brain/gateway/*.py")
_WRITERS = ("actions.py", "ingest.py")
#: Writers that have a name of their own, and what they write.
_NAMED_WRITERS = {
    "z4j_brain/operations/launch.py": "an operation with its targets and commands, in the transaction of its action",
    "z4j_brain/operations/approving.py": "operations that wait for a second person, in the transaction of an action",
    "z4j_brain/rbac/approvals.py": "requests for a second person's yes, in the transaction of an action",
    "z4j_brain/rbac/guarding.py": "policies and freezes; its public functions are actions",
    "z4j_brain/operations/outbox.py": "the queue of commands: leased and settled; called by the gateway and ingest",
    "z4j_brain/operations/outcomes.py": "what became of targets, in the transaction of whoever settles them",
    "z4j_brain/operations/statements.py": "what commands may do, in the transaction of whoever says it anew",
    "z4j_brain/operations/expiry.py": "what time has run out on among commands and operations",
    "z4j_brain/operations/snapshots.py": "what previews found, for an hour; about nobody's tasks, changes nothing",
    "z4j_brain/operations/idempotency.py": "takes a key in the transaction of the action it belongs to",
    "z4j_brain/alerts/telling.py": "alerts and their messages, in the transaction of whoever found that out",
    "z4j_brain/alerts/turn.py": "when a rule was looked at, and alerts that are forgotten",
    "z4j_brain/alerts/sending.py": "how far a message has come",
    "z4j_brain/notifications/reading.py": "what a person has read: a fact about a page, not an action",
    "z4j_brain/schedules/book.py": "what became of due times, in the transaction of whoever was told",
    "z4j_brain/schedules/overlaps.py": "which runs overlapped, in the transaction of whoever was told",
    "z4j_brain/schedules/ticking.py": "the processes of schedulers, in the transaction of ingest",
    "z4j_brain/schedules/detection.py": "due times that nothing was told of",
    "z4j_brain/housekeeping/retention.py": "how far forgetting has come, and the turns that do it",
    "z4j_brain/housekeeping/kinds.py": "deletes what is past its days, in a turn's transaction",
    "z4j_brain/ledger/sealing.py": "leaves, tiles, checkpoints, and that the signer refuses",
    "z4j_brain/ledger/erasure.py": "what a sealed entry says is erased",
    "z4j_brain/ledger/pruning.py": "what a sealed entry says is pruned",
    "z4j_brain/audit/anchors_turn.py": "how far an anchor has come, and those that the settings make",
    "z4j_brain/audit/streams.py": "how far a stream has come",
    "z4j_brain/ledger/entries.py": "appends entries in its caller's transaction",
    "z4j_brain/rbac/action.py": "the decorator that opens the transaction and appends the entry",
    "z4j_brain/rbac/guardian_rows.py": "what memberships say, in the transaction of the action that changes one",
    "z4j_brain/housekeeping/storecopy.py": "an empty database, from an installation that nobody runs meanwhile",
    "z4j_brain/rbac/sessions.py": "sessions that begin, are used and end, with the entry that says so",
    "z4j_brain/rbac/factors.py": "the codes of an authenticator app that were used: each is good once",
    "z4j_brain/panel/happenings.py": "what sign-in code of others has changed: its entries, and the list of sessions",
    "z4j_brain/rbac/granting.py": "actions of grants and groups",
    "z4j_brain/rbac/joining.py": "actions of invitations and accounts",
    "z4j_brain/rbac/servicetokens.py": "actions of tokens that belong to a project",
    "z4j_brain/schedules/own.py": "actions of z4j's own schedules",
    "z4j_brain/schedules/dispatch.py": "due times of z4j's own schedules: their runs and commands, in one transaction",
    "z4j_brain/schedules/importing.py": "the action that takes in a crontab",
    "z4j_brain/rbac/authentication.py": "when a token was last used: a fact about a request, not an action",
}


@rule
def doors_never_write(root: Path) -> Iterator[str]:
    for source in sources(root, *_DOORS):
        for call in source.calls():
            if isinstance(call.func, ast.Attribute) and _writes(call.func, everywhere=True):
                yield source.place(call, f".{call.func.attr}() in a door: call an action or ingest")


@rule
def doors_hold_no_manager(root: Path) -> Iterator[str]:
    for source in sources(root, *_DOORS):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Attribute) and node.attr in ("objects", "_default_manager", "_base_manager"):
                yield source.place(node, f".{node.attr} in a door: ask queries.py, which scopes to the actor")


@rule
def nothing_else_writes(root: Path) -> Iterator[str]:
    for source in sources(root, "z4j_brain"):
        if source.path.name in _WRITERS or source.name in _NAMED_WRITERS:
            continue
        for call in source.calls():
            if isinstance(call.func, ast.Attribute) and _writes(call.func, everywhere=False):
                yield source.place(
                    call, f".{call.func.attr}(): only actions.py, ingest.py, the outbox and the ledger write"
                )


def _writes(function: ast.Attribute, *, everywhere: bool) -> bool:
    receiver = dotted(function.value)
    if function.attr in _WRITES:
        return receiver != "super()"
    return function.attr in _AMBIGUOUS and (everywhere or any(part in receiver for part in _QUERYSET))


@rule
def every_public_function_of_actions_is_an_action(root: Path) -> Iterator[str]:
    for source in sources(root, "z4j_brain/*/actions.py"):
        for function in _functions(source):
            if not function.name.startswith("_") and not _is_action(function):
                yield source.place(
                    function, f"{function.name} is not an @action(...): nothing authorises or records it"
                )


@rule
def every_action_takes_a_keyword_only_actor(root: Path) -> Iterator[str]:
    for source in sources(root, "z4j_brain/*/actions.py"):
        for function in filter(_is_action, _functions(source)):
            if "actor" not in _required_keywords(function):
                yield source.place(function, f"{function.name} must take `actor` by keyword only, without a default")


@rule
def actions_do_not_call_actions(root: Path) -> Iterator[str]:
    for source in sources(root, "z4j_brain/*/actions.py"):
        own = {function.name for function in _functions(source) if _is_action(function)}
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call) and dotted(node.func) in own:
                yield source.place(node, f"{dotted(node.func)} is an action: call what both share instead")
            for module in imported(node):
                if module.endswith(".actions"):
                    yield source.place(
                        node, f"imports {module}: an action inside an action is authorised and recorded twice"
                    )


def _functions(source: Source) -> Iterator[ast.FunctionDef]:
    return (node for node in source.tree.body if isinstance(node, ast.FunctionDef))


def _is_action(function: ast.FunctionDef) -> bool:
    names = (dotted(node.func) if isinstance(node, ast.Call) else "" for node in function.decorator_list)
    return any(name in ("action", "action.action") for name in names)


def _required_keywords(function: ast.FunctionDef) -> set[str]:
    pairs = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    return {argument.arg for argument, default in pairs if default is None}

"""The index over the texts of tasks: FTS5 on SQLite, a table of its own on PostgreSQL: updates of tasks leave it alone.

Written by the ingest in its own transaction. What has gone from the tasks is passed over until it is forgotten here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from django.db import connection

from z4j_brain.lib.bulk import on_postgres
from z4j_brain.rbac.models import Environment
from z4j_brain.tasks import words
from z4j_brain.tasks.walk import Among, Place

#: Matches, newest first, that one search considers.
CONSIDERED = 1_000
#: PostgreSQL's index knows no order, and SQLite's has to put together all words that begin alike. What is frequent is
#: found sooner among the newest texts: these come first, and are enough when that many of them match.
NEWEST, ENOUGH = 1_000, 20
BATCH = 500

#: What is indexed always, and where the environment allows it, with the class of its words.
ERRORS = {"error_type": words.TYPE, "error_message": words.MESSAGE}
ARGUMENTS = dict.fromkeys(("args", "kwargs", "result"), words.ARGUMENT)

Row = Mapping[str, Any]


def keep(environment_id: int, new: Mapping[int, Row], changed: Mapping[int, tuple[Row, Sequence[str]]]) -> None:
    """Index tasks by id: new ones, and others with the names of the fields that have changed."""
    if not new and not changed:
        return
    allowed = Environment.objects.filter(pk=environment_id).values_list("search_arguments", flat=True).first()
    names = ERRORS | (ARGUMENTS if allowed else {})
    touched = {pk: row for pk, (row, fields) in changed.items() if not names.keys().isdisjoint(fields)}
    store(environment_id, new, touched, names)


def store(environment_id: int, new: Mapping[int, Row], changed: Mapping[int, Row], names: Mapping[str, str]) -> None:
    """Index what these tasks have by these names."""
    made = [(pk, _of(environment_id, row, names)) for pk, row in new.items()]
    again = [(pk, _of(environment_id, row, names)) for pk, row in changed.items()]
    forget(environment_id, [pk for pk, found in again if not found or not on_postgres()])
    _insert(environment_id, [(pk, found) for pk, found in (*made, *again) if found])


def forget(environment_id: int, task_ids: Iterable[int]) -> None:
    """Take tasks out, by their ids. In the transaction that prunes them, or any time after."""
    gone = sorted(task_ids)
    with connection.cursor() as cursor:
        for start in range(0, len(gone), BATCH):
            ids = ", ".join(str(int(pk)) for pk in gone[start : start + BATCH])
            if on_postgres():
                cursor.execute(
                    f"DELETE FROM tasks_words WHERE environment_id = %s AND task_id IN ({ids})",  # noqa: S608
                    [environment_id],
                )
            else:
                cursor.execute(f"DELETE FROM tasks_words WHERE rowid IN ({ids})")  # noqa: S608


def matches(environment_id: int, text: str, classes: Sequence[str], place: Place) -> Among:
    """The tasks in which all words occur, the last as a beginning: at most `CONSIDERED`, nearest to the place first."""
    groups = words.asked(environment_id, text, classes)
    if not groups:
        return Among(())
    return (_on_postgres if on_postgres() else _on_sqlite)(environment_id, groups, place)


def _of(environment_id: int, row: Row, names: Mapping[str, str]) -> list[str]:
    return words.indexed(environment_id, ((kind, row[name]) for name, kind in names.items()))


def _insert(environment_id: int, rows: Sequence[tuple[int, list[str]]]) -> None:
    if not rows:
        return
    with connection.cursor() as cursor:
        if on_postgres():
            records = orjson.dumps([{"id": pk, "words": found} for pk, found in rows]).decode()
            cursor.execute(
                "INSERT INTO tasks_words (environment_id, task_id, words) SELECT %s, id, array_to_tsvector(words)"
                " FROM json_to_recordset(%s::json) AS u(id bigint, words text[])"
                " ON CONFLICT (environment_id, task_id) DO UPDATE SET words = EXCLUDED.words",
                [environment_id, records],
            )
        else:
            found = [(pk, " ".join(one)) for pk, one in rows]
            cursor.executemany("INSERT INTO tasks_words (rowid, words) VALUES (%s, %s)", found)


def _on_sqlite(environment_id: int, groups: list[list[str]], place: Place) -> Among:
    beyond, params = _beyond("rowid", place)
    newest, looked = _sqlite_newest(groups, place)
    if looked < NEWEST or len(newest.ids) >= ENOUGH:
        return newest
    found = _rows(
        f"SELECT rowid FROM tasks_words WHERE tasks_words MATCH %s{beyond}"  # noqa: S608
        f" ORDER BY rowid {place.direction} LIMIT {CONSIDERED + 1}",
        [words.as_fts5(groups), *params],
    )
    ids = [pk for (pk,) in found[:CONSIDERED]]
    return Among(tuple(ids), ids[-1] if len(found) > CONSIDERED else None, CONSIDERED)


def _sqlite_newest(groups: list[list[str]], place: Place) -> tuple[Among, int]:
    """The matches among the newest texts, and how many of these there were."""
    beyond, params = _beyond("rowid", place)
    texts = _rows(
        f"SELECT rowid, words FROM tasks_words WHERE 1{beyond} ORDER BY rowid {place.direction} LIMIT {NEWEST}",  # noqa: S608
        params,
    )
    ids = [pk for pk, text in texts if _occur(groups, f" {text} ")]
    return Among(tuple(ids), texts[-1][0] if len(texts) == NEWEST else None, NEWEST), len(texts)


def _occur(groups: list[list[str]], text: str) -> bool:
    whole = all(any(f" {word} " in text for word in group) for group in groups[:-1])
    return whole and any(f" {word}" in text for word in groups[-1])


def _on_postgres(environment_id: int, groups: list[list[str]], place: Place) -> Among:
    query = words.as_tsquery(groups)
    newest, looked = _among_newest(environment_id, query, place)
    if looked < NEWEST or len(newest.ids) >= ENOUGH:
        return newest
    beyond, params = _beyond("task_id", place)
    found = _rows(
        f"SELECT task_id FROM tasks_words WHERE words @@ %s::tsquery AND environment_id = %s{beyond}"  # noqa: S608
        f" LIMIT {CONSIDERED + 1}",
        [query, environment_id, *params],
    )
    # With more than that, these are any of them, and not the newest.
    return newest if len(found) > CONSIDERED else Among(tuple(sorted((pk for (pk,) in found), reverse=place.down)))


def _among_newest(environment_id: int, query: str, place: Place) -> tuple[Among, int]:
    """The matches among the newest texts, and how many of these there were."""
    beyond, params = _beyond("task_id", place)
    order = f"environment_id {place.direction}, task_id {place.direction}"
    ((looked, edge, ids),) = _rows(
        f"SELECT COUNT(*), {'MIN' if place.down else 'MAX'}(task_id), array_agg(task_id) FILTER (WHERE hit) FROM ("  # noqa: S608
        f" SELECT task_id, words @@ %s::tsquery AS hit FROM tasks_words WHERE environment_id = %s{beyond}"
        f" ORDER BY {order} LIMIT {NEWEST}) AS newest",
        [query, environment_id, *params],
    )
    found = tuple(sorted(ids or (), reverse=place.down))
    return Among(found, edge if looked == NEWEST else None, NEWEST), looked


def _beyond(column: str, place: Place) -> tuple[str, list[int]]:
    return ("", []) if place.start is None else (f" AND {column} {'<' if place.down else '>'} %s", [place.start])


def _rows(sql: str, params: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())

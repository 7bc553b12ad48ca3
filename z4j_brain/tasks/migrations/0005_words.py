"""The index over the texts of tasks: FTS5 on SQLite; a table with a GIN index on PostgreSQL. Errors there are go into it."""

from __future__ import annotations

from django.db import migrations

from z4j_brain.tasks import textindex

CREATE = {
    "sqlite": [
        'CREATE VIRTUAL TABLE tasks_words USING fts5 (words, detail = none, tokenize = "unicode61 remove_diacritics 0'
        " tokenchars ':'\")",
    ],
    "postgresql": [
        "CREATE TABLE tasks_words (environment_id bigint NOT NULL, task_id bigint NOT NULL, words tsvector NOT NULL,"
        " PRIMARY KEY (environment_id, task_id))",
        "CREATE INDEX tasks_words_words ON tasks_words USING gin (words)",
    ],
}


def make(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        for statement in CREATE[schema_editor.connection.vendor]:
            cursor.execute(statement)
    tasks = apps.get_model("tasks", "Task").objects.exclude(error_type="", error_message="")
    rows = tasks.values("pk", "environment_id", *textindex.ERRORS).iterator(chunk_size=2_000)
    for some in batched_by_environment(rows):
        textindex.store(some[0]["environment_id"], {row["pk"]: row for row in some}, {}, textindex.ERRORS)


def batched_by_environment(rows, size=1_000):
    some = []
    for row in rows:
        if some and (len(some) == size or row["environment_id"] != some[0]["environment_id"]):
            yield some
            some = []
        some.append(row)
    if some:
        yield some


def drop(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("DROP TABLE tasks_words")


class Migration(migrations.Migration):
    dependencies = [("tasks", "0004_rollups")]
    operations = [migrations.RunPython(make, drop)]

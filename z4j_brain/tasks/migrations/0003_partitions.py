"""PostgreSQL: events move into partitions by day, without a primary key, whose index nothing would ever be looked up in.

Tables whose rows change often are vacuumed long before a fifth of them is dead, and keep room in their pages.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from django.db import migrations

from z4j_brain.tasks.partitions import AHEAD, definition

PREPARE = """
ALTER TABLE tasks_event RENAME TO tasks_event_before;
DROP INDEX event_task;
CREATE SEQUENCE tasks_event_number AS bigint;
CREATE TABLE tasks_event (
    id bigint NOT NULL DEFAULT nextval('tasks_event_number'),
    seq bigint NOT NULL,
    kind varchar(32) NOT NULL,
    ts bigint NOT NULL,
    data jsonb NOT NULL,
    received_at timestamptz NOT NULL,
    agent_id uuid NOT NULL,
    environment_id bigint NOT NULL,
    task_id bigint
) PARTITION BY RANGE (received_at);
ALTER SEQUENCE tasks_event_number OWNED BY tasks_event.id;
CREATE INDEX event_task ON tasks_event (task_id, id);
CREATE TABLE tasks_event_default PARTITION OF tasks_event DEFAULT;
"""

MOVE = """
INSERT INTO tasks_event (id, seq, kind, ts, data, received_at, agent_id, environment_id, task_id)
SELECT id, seq, kind, ts, data, received_at, agent_id, environment_id, task_id FROM tasks_event_before;
SELECT setval('tasks_event_number', (SELECT COALESCE(max(id), 0) + 1 FROM tasks_event), false);
DROP TABLE tasks_event_before;
ALTER TABLE tasks_task SET (
    fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02,
    autovacuum_vacuum_insert_scale_factor = 0.05
);
ALTER TABLE stats_byqueue SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE stats_byname SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE agents_agent SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
"""


def partition(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(PREPARE)
        cursor.execute("SELECT min(received_at) FROM tasks_event_before")
        for day in days(cursor.fetchone()[0]):
            cursor.execute(definition(day))
        cursor.execute(MOVE)


def days(oldest: datetime | None) -> list[date]:
    """The days events have arrived on, as far as they are kept by default, and those to come."""
    today = datetime.now(UTC).date()
    first = max(oldest.astimezone(UTC).date(), today - timedelta(days=400)) if oldest else today
    return [first + timedelta(days=number) for number in range((today - first).days + AHEAD + 1)]


class Migration(migrations.Migration):
    dependencies = [("tasks", "0002_lean"), ("stats", "0001_initial")]
    operations = [migrations.RunPython(partition, migrations.RunPython.noop)]

from django.db import migrations, models

#: In constant time on both stores: neither rewrites the table for it.
ADD = "ALTER TABLE tasks_task ADD COLUMN trace_id varchar(255) DEFAULT '' NOT NULL"


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0009_group'),
    ]

    operations = [
        migrations.RunSQL(
            ADD,
            'ALTER TABLE tasks_task DROP COLUMN trace_id',
            state_operations=[
                migrations.AddField(
                    model_name='task',
                    name='trace_id',
                    field=models.CharField(blank=True, db_default='', default='', max_length=255),
                ),
            ],
        ),
    ]

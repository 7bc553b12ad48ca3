from django.db import migrations, models

#: In constant time on both stores: neither rewrites the table for it.
ADD = "ALTER TABLE tasks_task ADD COLUMN issue varchar(16) DEFAULT '' NOT NULL"


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0007_sealed'),
    ]

    operations = [
        migrations.RunSQL(
            ADD,
            'ALTER TABLE tasks_task DROP COLUMN issue',
            state_operations=[
                migrations.AddField(
                    model_name='task',
                    name='issue',
                    field=models.CharField(blank=True, db_default='', default='', max_length=16),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name='task',
            index=models.Index(condition=models.Q(('issue', ''), _negated=True), fields=['environment', 'issue', '-id'], name='task_issue'),
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0002_insert_only'),
    ]

    operations = [
        migrations.AlterField(
            model_name='entry',
            name='phase',
            field=models.CharField(choices=[('request', 'requested'), ('approval', 'approval'), ('dispatch', 'dispatched'), ('result', 'result'), ('event', 'event'), ('admin', 'administrative change')], max_length=16),
        ),
    ]

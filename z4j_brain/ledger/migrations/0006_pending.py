from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0005_guards'),
    ]

    operations = [
        migrations.AlterField(
            model_name='entry',
            name='outcome',
            field=models.CharField(choices=[('allowed', 'allowed'), ('pending', 'waits for approval'), ('refused', 'refused'), ('succeeded', 'succeeded'), ('failed', 'failed'), ('unknown', 'unknown')], max_length=16),
        ),
    ]

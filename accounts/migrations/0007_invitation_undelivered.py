"""An invitation whose mail came back is void until it is sent again (M7, M16)."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_representatives_on_file")]

    operations = [
        migrations.AddField(
            model_name="invitation",
            name="undelivered_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="devuelta"),
        ),
    ]

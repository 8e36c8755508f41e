"""How large a picture is, so that a page can leave room for it before it is loaded (M17)."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("core", "0012_readings")]

    operations = [
        migrations.AddField(
            model_name="attachment",
            name="width",
            field=models.PositiveIntegerField(blank=True, null=True, verbose_name="ancho"),
        ),
        migrations.AddField(
            model_name="attachment",
            name="height",
            field=models.PositiveIntegerField(blank=True, null=True, verbose_name="alto"),
        ),
    ]

"""The manual's attention hours (manual 01), as the first row of the hours that a supervisor may change (M2)."""

from datetime import date

from django.db import migrations

HOURS = ";".join(["09:00-14:00,15:00-19:00"] * 5 + [""] * 2)


def insert_hours(apps, schema_editor):
    """Insert Monday to Friday, 9:00 to 14:00 and 15:00 to 19:00, if no hours are on file."""
    week = apps.get_model("core", "AttentionWeek")
    if not week.objects.exists():
        week.objects.create(starts_on=date(2000, 1, 1), hours=HOURS)


class Migration(migrations.Migration):
    dependencies = [("core", "0002_statutory_holidays")]
    operations = [migrations.RunPython(insert_hours, migrations.RunPython.noop)]
